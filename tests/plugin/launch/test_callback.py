"""POST /callback/<ehr>: who may finish a launch, and how often."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin.services import Services
from tests.plugin.launch.conftest import BASE_URL, VIEWER, Browser, problem_code
from tests.plugin.launch.hospital import Hospital


def test_page_that_began_the_launch_gets_a_handle(browser: Browser, services: Services) -> None:
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 200
    assert answer.get_json()["idle_seconds"] == 1800
    launch = services.launches.by_handle(answer.get_json()["handle"])
    assert launch.context.patient == "p-1"
    assert launch.user == f"{browser.hospital.issuer}/Practitioner/1"
    assert launch.missing == ()


def test_get_of_the_callback_exchanges_nothing(
    client: FlaskClient, browser: Browser, hospital: Hospital
) -> None:
    query = hospital.sign_in(browser.launch().authorize)
    answer = client.get("/callback/north", query_string=query)
    assert answer.status_code == 200
    assert hospital.paths("/token") == 0
    assert query["code"] not in answer.text
    assert query["state"] not in answer.text


def test_standalone_launch_is_finished_like_one_from_a_chart(browser: Browser) -> None:
    assert browser.call_back(browser.launch(ehr="north")).status_code == 200


def test_callback_without_state_is_refused(browser: Browser, hospital: Hospital) -> None:
    answer = browser.call_back(browser.launch(), state=None)
    assert problem_code(answer) == "state_missing"
    assert hospital.paths("/token") == 0


def test_callback_with_a_state_that_nobody_gave_out_is_refused(
    browser: Browser, hospital: Hospital
) -> None:
    answer = browser.call_back(browser.launch(), state="made-up")
    assert problem_code(answer) == "state_unknown"
    assert hospital.paths("/token") == 0


def test_callback_with_the_state_of_another_hospital_is_refused(
    browser: Browser, hospital: Hospital
) -> None:
    answer = browser.call_back(browser.launch(), ehr="south")
    assert problem_code(answer) == "state_foreign"
    assert hospital.paths("/token") == 0


def test_callback_after_ten_minutes_is_refused(
    browser: Browser, services: Services, hospital: Hospital
) -> None:
    page = browser.launch()
    services.states.clock = lambda: time.time() + 599
    assert browser.call_back(page).status_code == 200
    services.states.clock = time.time
    page = browser.launch()
    services.states.clock = lambda: time.time() + 601
    assert problem_code(browser.call_back(page)) == "state_expired"
    assert hospital.paths("/token") == 1


def test_state_works_once(browser: Browser, hospital: Hospital) -> None:
    page = browser.launch()
    assert browser.call_back(page).status_code == 200
    assert problem_code(browser.call_back(page)) == "state_used"
    assert hospital.paths("/token") == 1


def test_state_is_used_up_even_by_a_launch_that_fails(browser: Browser, hospital: Hospital) -> None:
    page = browser.launch()
    assert problem_code(browser.call_back(page, code="wrong")) == "invalid_grant"
    assert problem_code(browser.call_back(page)) == "state_used"


def test_of_many_callbacks_at_the_same_time_one_is_served(
    app: Flask, browser: Browser, hospital: Hospital
) -> None:
    page = browser.launch()
    body = hospital.sign_in(page.authorize) | {"binder": page.binder}
    statuses: list[int] = []
    start = threading.Barrier(6)

    def call() -> None:
        own = Browser(app.test_client(), hospital)
        start.wait()
        statuses.append(own.post(body).status_code)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 400, 400, 400, 400, 400]
    assert hospital.paths("/token") == 1


def test_binder_of_another_page_is_refused_and_uses_nothing_up(
    browser: Browser, hospital: Hospital
) -> None:
    first, second = browser.launch(), browser.launch()
    answer = browser.call_back(first, binder=second.binder)
    assert problem_code(answer) == "binder_foreign"
    assert hospital.paths("/token") == 0
    # The page that began the launch can still finish it.
    assert browser.call_back(first).status_code == 200


def test_callback_without_binder_is_refused(browser: Browser, hospital: Hospital) -> None:
    assert problem_code(browser.call_back(browser.launch(), binder=None)) == "binder_missing"
    assert problem_code(browser.call_back(browser.launch(), binder="")) == "binder_missing"
    assert hospital.paths("/token") == 0


def test_code_that_was_used_before_is_refused(browser: Browser) -> None:
    page = browser.launch()
    used = browser.hospital.sign_in(page.authorize)["code"]
    assert browser.call_back(page, code=used).status_code == 200
    answer = browser.call_back(browser.launch(), code=used)
    assert answer.status_code == 400
    assert problem_code(answer) == "invalid_grant"


def test_code_of_another_launch_is_refused_by_its_pkce_challenge(browser: Browser) -> None:
    stolen = browser.hospital.sign_in(browser.launch().authorize)["code"]
    answer = browser.call_back(browser.launch(), code=stolen)
    assert problem_code(answer) == "invalid_grant"


def test_answer_of_another_authorization_server_is_refused(
    browser: Browser, hospital: Hospital
) -> None:
    answer = browser.call_back(browser.launch(), iss="https://evil.example")
    assert problem_code(answer) == "issuer_mismatch"
    assert hospital.paths("/token") == 0
    assert browser.call_back(browser.launch(), iss=hospital.issuer).status_code == 200


def test_server_that_promised_to_name_itself_must_do_so(
    browser: Browser, hospital: Hospital
) -> None:
    hospital.behaviour.discovery = {"authorization_response_iss_parameter_supported": True}
    assert problem_code(browser.call_back(browser.launch())) == "issuer_missing"


def test_refusal_by_the_hospital_is_told_in_plain_words(
    browser: Browser, hospital: Hospital
) -> None:
    answer = browser.call_back(browser.launch(), code=None, error="access_denied")
    assert problem_code(answer) == "access_denied"
    assert "access_denied" not in answer.get_json()["problem"]["text"]
    assert hospital.paths("/token") == 0


def test_unknown_error_of_the_hospital_is_not_repeated(browser: Browser) -> None:
    answer = browser.call_back(browser.launch(), code=None, error="<b>pwned</b>")
    assert "pwned" not in answer.text


@pytest.mark.parametrize("origin", [VIEWER, "null", BASE_URL + ".evil.example", "http://127.0.0.1"])
def test_page_of_another_origin_is_refused(browser: Browser, origin: str) -> None:
    page = browser.launch()
    body = browser.hospital.sign_in(page.authorize) | {"binder": page.binder}
    answer = browser.post(body, Origin=origin)
    assert answer.status_code == 403
    assert problem_code(answer) == "origin_foreign"


def test_cross_site_request_without_origin_is_refused(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = client.post("/callback/north", json={"state": "x", "binder": "y"}, headers=headers)
    assert problem_code(answer) == "origin_foreign"


def test_client_that_is_no_browser_names_no_origin_and_is_served(
    client: FlaskClient, browser: Browser, hospital: Hospital
) -> None:
    page = browser.launch()
    body = hospital.sign_in(page.authorize) | {"binder": page.binder}
    assert client.post("/callback/north", json=body).status_code == 200


def test_form_instead_of_json_is_refused(client: FlaskClient) -> None:
    # A form is what a foreign page could send without being asked (CORS "simple" request).
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = client.post("/callback/north", data='{"state": "x"}', content_type=kind)
        assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "text",
        {"state": 1, "binder": "b"},
        {"state": "x" * 9000, "binder": "b"},
        {"state": "\ud800", "binder": "b"},
        {"state": "s", "binder": "b", "code": "é"},
        {"state": "s", "binder": "b", "code": "a\nb"},
        {"state": {"$ne": ""}, "binder": ["b"]},
    ],
)
def test_nonsense_is_refused(browser: Browser, body: Any) -> None:
    answer = browser.post(body)
    assert answer.status_code == 400
    assert problem_code(answer) in ("callback_invalid", "state_missing")


def test_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    answer = client.post("/callback/north", json={"state": "x" * 100_000})
    assert answer.status_code in (400, 413)


def test_callback_of_an_unregistered_hospital_is_refused(browser: Browser) -> None:
    assert problem_code(browser.post({"state": "x", "binder": "y"}, ehr="east")) == "ehr_unknown"
