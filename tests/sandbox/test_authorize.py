"""What the authorization endpoint takes and refuses (SMART 2.2; RFC 6749 4.1; RFC 9700)."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from sandbox.server import RunningSandbox
from tests.sandbox.conftest import open_hospital, register
from tests.sandbox.patience import let_time_pass
from tests.sandbox.smart_client import CALLBACK, SCOPES, SmartClient, answer_of


def test_configuration_names_every_endpoint_and_capability(hospital: RunningSandbox) -> None:
    address = f"{hospital.fhir_base}/.well-known/smart-configuration"
    response = requests.get(address, headers={"Accept": "text/html"}, timeout=10)
    found = response.json()
    assert response.headers["Content-Type"] == "application/json"
    assert found["issuer"] == hospital.fhir_base
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert {"launch-ehr", "launch-standalone", "client-confidential-asymmetric"} <= set(
        found["capabilities"]
    )
    for name in ("authorization", "token", "revocation", "introspection"):
        assert found[f"{name}_endpoint"].startswith(f"{hospital.base_url}/auth/")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ehr_launch_redirects_at_once_with_code_state_and_issuer(
    client: SmartClient, method: str
) -> None:
    response = client.authorize(method)
    answer = answer_of(response)
    assert response.headers["Location"].startswith(f"{CALLBACK}?")
    assert answer["state"] == "s" * 22
    assert answer["iss"] == client.hospital.fhir_base
    assert len(answer["code"]) >= 43
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


def test_redirect_uri_with_a_query_keeps_it(client: SmartClient) -> None:
    response = client.authorize(redirect_uri=f"{CALLBACK}?kept=1")
    assert answer_of(response)["kept"] == "1"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "stranger"},
        {"client_id": None},
        {"redirect_uri": "http://127.0.0.1:9/elsewhere"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?x=1"},
        {"redirect_uri": CALLBACK.replace("127.0.0.1", "localhost")},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": None},
    ],
)
def test_unproven_redirect_address_is_never_redirected_to(
    client: SmartClient, changes: dict[str, str | None]
) -> None:
    response = client.authorize(**changes)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert "refused" in response.text


def test_two_redirect_addresses_are_refused_on_a_page(client: SmartClient) -> None:
    parameters = [*client.request().items(), ("redirect_uri", "https://evil.example/")]
    address = f"{client.hospital.base_url}/auth/authorize"
    response = requests.get(address, params=parameters, allow_redirects=False, timeout=10)
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"scope": 'launch "quoted"'}, "invalid_scope"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://other.example/fhir"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"launch": "made-up"}, "invalid_request"),
        ({"launch": None}, "invalid_request"),
        ({"scope": "openid"}, "invalid_request"),
    ],
)
def test_broken_requests_are_answered_by_redirect(
    client: SmartClient, changes: dict[str, str | None], error: str
) -> None:
    answer = answer_of(client.authorize(**changes))
    assert answer["error"] == error
    assert answer["iss"] == client.hospital.fhir_base
    assert "code" not in answer
    assert answer.get("state", "") == changes.get("state", "s" * 22) or changes["state"] is None


def test_aud_with_a_slash_at_the_end_is_another_address(client: SmartClient) -> None:
    answer = answer_of(client.authorize(aud=f"{client.hospital.fhir_base}/"))
    assert answer["error"] == "invalid_request"


def test_state_given_twice_is_refused(client: SmartClient) -> None:
    parameters = [*client.request().items(), ("state", "another")]
    address = f"{client.hospital.base_url}/auth/authorize"
    response = requests.get(address, params=parameters, allow_redirects=False, timeout=10)
    assert answer_of(response)["error"] == "invalid_request"


def test_scopes_that_are_not_registered_leave_nothing_to_grant(client: SmartClient) -> None:
    none = SmartClient(client.hospital, "everything")
    answer = answer_of(none.authorize(scope="offline_access", launch=None))
    assert answer["error"] == "invalid_scope"


def test_client_that_is_not_registered_for_launches_gets_none(tmp_path: Path) -> None:
    narrow = register("narrow", "public", scopes="openid patient/Patient.r")
    with open_hospital(tmp_path, clients=(narrow,)) as server:
        answer = answer_of(SmartClient(server, "narrow").authorize())
    assert answer["error"] == "invalid_scope"


def test_launch_code_works_once(client: SmartClient) -> None:
    launch = client.mint()
    assert "code" in answer_of(client.authorize(launch=launch))
    assert answer_of(client.authorize(launch=launch))["error"] == "invalid_request"


def test_launch_code_of_another_client_is_refused_and_stays_good(client: SmartClient) -> None:
    launch = client.mint()
    thief = SmartClient(client.hospital, "other")
    assert answer_of(thief.authorize(launch=launch))["error"] == "invalid_request"
    assert "code" in answer_of(client.authorize(launch=launch))


def test_launch_code_grows_old(tmp_path: Path) -> None:
    with open_hospital(tmp_path, launch_s=0) as server:
        answer = answer_of(SmartClient(server).authorize())
    assert answer["error"] == "invalid_request"


def test_broken_request_does_not_use_the_launch_code_up(client: SmartClient) -> None:
    launch = client.mint()
    assert "error" in answer_of(client.authorize(launch=launch, aud="https://wrong.example"))
    assert "code" in answer_of(client.authorize(launch=launch))


def test_hospital_that_refuses_frames_says_so_on_every_answer(tmp_path: Path) -> None:
    with open_hospital(tmp_path, refuse_frames=True) as server:
        client = SmartClient(server)
        launch = client.mint()
        parameters = client.request(launch=launch)
        framed = requests.get(
            f"{server.base_url}/auth/authorize",
            params=parameters,
            headers={"Sec-Fetch-Dest": "iframe"},
            allow_redirects=False,
            timeout=10,
        )
        assert framed.status_code == 403
        in_a_window = client.authorize(launch=launch)
        assert "code" in answer_of(in_a_window)
    for response in (framed, in_a_window):
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"


def test_launch_context_arrives_with_the_token(client: SmartClient) -> None:
    found = client.launch(
        study="clark-dan-chest-xray",
        encounter="clark-dan-visit",
        intent="reconcile",
        need_patient_banner=False,
    )
    assert found["patient"] == "clark-dan"
    assert found["encounter"] == "clark-dan-visit"
    assert found["fhirContext"] == [{"reference": "ImagingStudy/clark-dan-chest-xray"}]
    assert found["intent"] == "reconcile"
    assert found["need_patient_banner"] is False
    assert found["token_type"] == "Bearer"
    assert found["scope"].split() == SCOPES.split()
    assert abs(found["expires_in"] - 3600) <= 1


def test_tokens_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_hospital(tmp_path, access_token_s=600) as server:
        fhir = SmartClient(server).fhir()
        let_time_pass(monkeypatch, 590)
        assert fhir.get("/Patient/clark-dan").status_code == 200
        let_time_pass(monkeypatch, 601)
        refused = fhir.get("/Patient/clark-dan")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
