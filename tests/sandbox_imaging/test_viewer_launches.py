"""Launches, the switch for frames and the session of the viewer, over a real socket."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import SmartClient
from tests.sandbox_imaging.browserless import Viewer


@pytest.fixture
def viewer(hospital: RunningSandbox) -> Viewer:
    return Viewer(hospital)


def test_a_launch_carries_patient_and_study_and_works_once(
    hospital: RunningSandbox, viewer: Viewer
) -> None:
    body = {"client_id": "wetread", "patient": "clark-dan", "study": "clark-dan-chest-xray"}
    made = viewer.post("/viewer/launches", json=body).json()
    query = parse_qs(urlsplit(made["url"]).query)
    assert made["url"].startswith("http://127.0.0.1:9/wetread?")
    assert query == {"iss": [hospital.fhir_base], "launch": [made["launch"]]}
    client = SmartClient(hospital)
    token = client.token(client.code_form(client.code(launch=made["launch"]))).json()
    assert token["patient"] == "clark-dan"
    assert token["fhirContext"][0]["reference"] == "ImagingStudy/clark-dan-chest-xray"
    assert token["need_patient_banner"] is False
    again = client.authorize(launch=made["launch"])
    assert "code=" not in again.headers.get("Location", "")


def test_a_launch_carries_what_was_chosen_for_it(hospital: RunningSandbox, viewer: Viewer) -> None:
    chosen = {"intent": "diagnose", "encounter": "clark-dan-visit", "app_context": "{}"}
    body = {"client_id": "wetread", "patient": "clark-dan", "need_patient_banner": True, **chosen}
    made = viewer.post("/viewer/launches", json=body).json()
    client = SmartClient(hospital)
    token = client.token(client.code_form(client.code(launch=made["launch"]))).json()
    assert (token["intent"], token["encounter"]) == ("diagnose", "clark-dan-visit")
    assert (token["appContext"], token["need_patient_banner"]) == ("{}", True)


def test_every_load_gets_a_launch_of_its_own(viewer: Viewer) -> None:
    body = {"client_id": "wetread", "patient": "clark-dan"}
    codes = {viewer.post("/viewer/launches", json=body).json()["launch"] for _ in range(3)}
    assert len(codes) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"client_id": "wetread", "patient": "nobody"}, 404),
        ({"client_id": "unregistered", "patient": "clark-dan"}, 404),
        ({"client_id": "wetread", "patient": "clark-dan", "study": "mayer-rosa-ct"}, 404),
        ({"client_id": "wetread", "patient": "mayer-rosa", "encounter": "clark-dan-visit"}, 404),
        ({"client_id": "wetread", "patient": "clark-dan", "encounter": "none"}, 404),
        ({"client_id": "wetread", "patient": "clark-dan", "app_context": "x" * 5000}, 400),
        ({"client_id": "wetread"}, 400),
        ({"client_id": "wetread", "patient": 7}, 400),
        (["wetread"], 400),
    ],
)
def test_a_launch_that_does_not_fit_is_refused(viewer: Viewer, body: object, status: int) -> None:
    assert viewer.post("/viewer/launches", json=body).status_code == status


def test_launches_are_for_the_viewers_own_pages(hospital: RunningSandbox, viewer: Viewer) -> None:
    body = {"client_id": "wetread", "patient": "clark-dan"}
    plugin = "http://127.0.0.1:9"
    assert viewer.post("/viewer/launches", origin=plugin, json=body).status_code == 403
    address = f"{hospital.base_url}/viewer/launches"
    assert requests.post(address, json=body, timeout=10).status_code == 401
    fetched = {"Sec-Fetch-Site": "cross-site"}
    assert viewer.get("/viewer/patients", headers=fetched).status_code == 403


def test_the_window_button_leads_to_the_client_with_a_new_launch(viewer: Viewer) -> None:
    path = "/viewer/window?patient=clark-dan&study=clark-dan-chest-xray"
    answer = viewer.get(path, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("http://127.0.0.1:9/wetread?iss=")


def test_the_switch_makes_the_sign_in_refuse_frames_and_back(
    hospital: RunningSandbox, viewer: Viewer
) -> None:
    client = SmartClient(hospital)
    framed = {"Sec-Fetch-Dest": "iframe"}

    def in_frame() -> requests.Response:
        address = f"{hospital.base_url}/auth/authorize"
        request = client.request()
        return requests.get(
            address, params=request, headers=framed, allow_redirects=False, timeout=10
        )

    assert in_frame().status_code == 303
    assert viewer.post("/viewer/switches", json={"refuse_frames": True}).status_code == 200
    try:
        assert in_frame().status_code != 303
        assert "checked" in viewer.get("/").text.split('id="refuse-frames"')[1][:20]
    finally:
        viewer.post("/viewer/switches", json={"refuse_frames": False})
    assert in_frame().status_code == 303


@pytest.mark.parametrize("body", [{}, {"refuse_frames": "yes"}, [], {"refuse_frames": None}])
def test_the_switch_takes_only_true_and_false(viewer: Viewer, body: object) -> None:
    assert viewer.post("/viewer/switches", json=body).status_code == 400


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    hospital: RunningSandbox,
) -> None:
    cookie = requests.get(hospital.base_url, timeout=10).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert f"viewer_session_{hospital.settings.port}=" in cookie


def test_under_another_name_nobody_is_signed_in(hospital: RunningSandbox) -> None:
    headers = {"Host": f"rebound.example:{hospital.settings.port}"}
    answer = requests.get(hospital.base_url, headers=headers, allow_redirects=False, timeout=10)
    assert answer.status_code == 307
    assert answer.headers["Location"] == f"{hospital.base_url}/"
    assert "Set-Cookie" not in answer.headers
