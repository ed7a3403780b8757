"""GET /launch: the registry decides before anything is sent."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.plugin.launch.conftest import BASE_URL, VIEWER, Browser
from tests.plugin.launch.hospital import SCOPES, Hospital


def test_launch_from_a_chart_sends_the_user_to_the_registered_hospital(
    browser: Browser, hospital: Hospital
) -> None:
    page = browser.launch()
    address = urlsplit(page.authorize)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert page.authorize.startswith(f"{hospital.base}/authorize?")
    assert query["aud"] == hospital.issuer
    assert query["launch"] == "xyz"
    assert query["redirect_uri"] == f"{BASE_URL}/callback/north"
    assert query["code_challenge_method"] == "S256"
    assert query["state"] == page.state
    assert set(query["scope"].split()) == set(SCOPES.split())


def test_standalone_launch_asks_for_a_patient_and_sends_no_launch_value(browser: Browser) -> None:
    query = parse_qs(urlsplit(browser.launch(ehr="north").authorize).query, keep_blank_values=True)
    assert "launch" not in query
    assert "launch/patient" in query["scope"][0].split()


def test_each_launch_has_a_state_and_a_binder_of_its_own(browser: Browser) -> None:
    first, second = browser.launch(), browser.launch()
    assert first.state != second.state
    assert first.binder != second.binder
    # 122 random bits are asked for; 43 characters of base64 carry 256.
    assert len(first.state) >= 22
    assert len(first.binder) >= 43


@pytest.mark.parametrize("ending", ["/", "//", "?x=1", "#f", "X", " "])
def test_issuer_that_is_not_exactly_the_registered_one_is_refused_without_a_request(
    client: FlaskClient, hospital: Hospital, ending: str
) -> None:
    query = {"iss": hospital.issuer + ending, "launch": "xyz"}
    answer = client.get("/launch", query_string=query)
    assert answer.status_code == 400
    assert "not registered" in answer.text
    assert hospital.requests == []


def test_unregistered_issuer_gets_a_clear_page_and_no_request_leaves(client: FlaskClient) -> None:
    # A hospital that Wetread does not know: it runs, and would count a request.
    with Hospital() as stranger:
        query = {"iss": stranger.issuer, "launch": "xyz"}
        answer = client.get("/launch", query_string=query, headers={"Accept": "text/html"})
        assert stranger.requests == []
    assert answer.status_code == 400
    assert answer.mimetype == "text/html"
    assert "Ask your Wetread administrator to register it" in answer.text
    # Nothing of a stranger's making is repeated on our page.
    assert stranger.issuer not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"ehr": "east"},
        {"ehr": "NORTH"},
        {"launch": "xyz"},
        {"iss": "", "launch": "xyz"},
        {"iss": "javascript:alert(1)", "launch": "xyz"},
    ],
)
def test_launch_that_names_no_registered_hospital_is_refused(
    client: FlaskClient, hospital: Hospital, query: dict[str, str]
) -> None:
    assert client.get("/launch", query_string=query).status_code == 400
    assert hospital.requests == []


def test_launch_from_a_chart_without_launch_value_is_refused(
    client: FlaskClient, hospital: Hospital
) -> None:
    answer = client.get("/launch", query_string={"iss": hospital.issuer})
    assert answer.status_code == 400
    assert "launch value" in answer.text
    assert hospital.requests == []


def test_issuer_named_twice_is_refused(client: FlaskClient, hospital: Hospital) -> None:
    answer = client.get(
        "/launch", query_string=[("iss", hospital.issuer), ("iss", "x"), ("launch", "y")]
    )
    assert answer.status_code == 400
    assert hospital.requests == []


def test_markup_in_the_launch_value_stays_text(client: FlaskClient, hospital: Hospital) -> None:
    query = {"iss": hospital.issuer, "launch": "</script><script>alert(1)</script>"}
    answer = client.get("/launch", query_string=query)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


def test_hospital_that_does_not_answer_gives_a_page_with_a_next_step(client: FlaskClient) -> None:
    answer = client.get("/launch", query_string={"ehr": "south"})
    assert answer.status_code == 502
    assert answer.mimetype == "text/html"
    assert "next-step" in answer.text


def test_launch_page_may_be_framed_by_its_hospital_only(
    client: FlaskClient, hospital: Hospital
) -> None:
    answer = client.get("/launch", query_string={"iss": hospital.issuer, "launch": "xyz"})
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {VIEWER}" in policy
    assert "X-Frame-Options" not in answer.headers


def test_popup_hospital_is_marked_on_the_page(
    client: FlaskClient, hospital: Hospital, browser: Browser
) -> None:
    query = {"iss": hospital.issuer, "launch": "xyz"}
    assert 'data-authorize="frame"' in client.get("/launch", query_string=query).text
