"""The body of a call, the answer around the cards, and what nobody may learn from them."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin.cds.body import LARGEST_BODY
from plugin.cds.pace import Pace
from plugin.cds.routes import EXTENSION as DESK
from plugin.cds.routes import Desk
from plugin.cds.service import DISCOVERY_PATH, PREFETCH, SERVICE_ID, SERVICE_PATH
from tests.plugin.cds.conftest import ADDRESS, VIEWER, Send, cards_of, code_of
from tests.plugin.cds.ehr import PATIENT, CallingEhr, prefetch, report, study


def test_discovery_names_the_service_with_its_prefetch(client: FlaskClient) -> None:
    answer = client.get(DISCOVERY_PATH)
    assert answer.status_code == 200
    (service,) = answer.get_json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", SERVICE_ID)
    assert service["prefetch"] == PREFETCH
    assert service["title"]
    assert service["description"]
    assert f"{DISCOVERY_PATH}/{service['id']}" == SERVICE_PATH


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"hook": "order-sign"}, "hook_foreign"),
        ({"hook": None}, "hook_foreign"),
        ({"hookInstance": None}, "call_invalid"),
        ({"hookInstance": 7}, "call_invalid"),
        ({"context": None}, "call_invalid"),
        ({"context": []}, "call_invalid"),
        ({"context": {"patientId": PATIENT}}, "call_invalid"),
        ({"context": {"userId": "Practitioner/1"}}, "call_invalid"),
        ({"context": {"userId": "somebody", "patientId": PATIENT}}, "call_invalid"),
        ({"context": {"userId": "Practitioner/1", "patientId": "a/../b"}}, "call_invalid"),
        ({"context": {"userId": "Practitioner/1", "patientId": ".."}}, "call_invalid"),
        ({"context": {"userId": "Practitioner/1", "patientId": ["x"]}}, "call_invalid"),
        ({"prefetch": []}, "call_invalid"),
        ({"fhirServer": "https://elsewhere.example/fhir"}, "fhir_server_foreign"),
        ({"fhirServer": "http://127.0.0.1:9/fhir"}, "fhir_server_foreign"),
        ({"fhirServer": ["x"]}, "fhir_server_foreign"),
        ({"fhirAuthorization": "token"}, "call_invalid"),
    ],
)
def test_body_that_breaks_a_rule_is_refused(
    send: Send, ehr: CallingEhr, changes: dict[str, Any], code: str
) -> None:
    answer = send(ehr.call(**changes))
    assert (answer.status_code, code_of(answer)) == (400, code)


def test_server_must_be_the_registered_one_letter_by_letter(send: Send, ehr: CallingEhr) -> None:
    for almost in (f"{ehr.issuer}/", ehr.issuer.replace("http:", "HTTP:"), ehr.base):
        assert code_of(send(ehr.call(fhirServer=almost))) == "fhir_server_foreign"
    assert cards_of(send(ehr.call(fhirServer=None))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": "line\nbreak"},
        {"access_token": "\ud800"},
        {"token_type": "mac"},
        {"scope": 7},
        {"subject": None},
    ],
)
def test_misshapen_authorization_is_refused(
    send: Send, ehr: CallingEhr, changes: dict[str, Any]
) -> None:
    answer = send(ehr.call(fhirAuthorization=ehr.authorization(**changes)))
    assert (answer.status_code, code_of(answer)) == (400, "call_invalid")


def test_authorization_for_another_patient_or_without_a_server_is_refused(
    send: Send, ehr: CallingEhr
) -> None:
    other = ehr.call(fhirAuthorization=ehr.authorization(patient="somebody-else"))
    assert code_of(send(other)) == "patient_contradicted"
    alone = ehr.call(fhirServer=None, fhirAuthorization=ehr.authorization(patient=PATIENT))
    assert code_of(send(alone)) == "fhir_server_foreign"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"hook": NaN}', b"\xff", b"[" * 100_000, b"9" * 5000]
)
def test_body_that_is_no_json_object_is_refused(
    client: FlaskClient, ehr: CallingEhr, body: bytes
) -> None:
    headers = {"Authorization": f"Bearer {ehr.token(ADDRESS)}"}
    answer = client.post(SERVICE_PATH, data=body, headers=headers, content_type="application/json")
    assert (answer.status_code, code_of(answer)) == (400, "not_json")


def test_form_is_refused(client: FlaskClient, ehr: CallingEhr) -> None:
    headers = {"Authorization": f"Bearer {ehr.token(ADDRESS)}"}
    answer = client.post(SERVICE_PATH, data={"hook": "patient-view"}, headers=headers)
    assert answer.status_code == 415


def test_large_chart_is_accepted_and_a_larger_body_is_not(
    send: Send, ehr: CallingEhr, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wetread.cds")
    text = "x" * (LARGEST_BODY - 8 * 1024)
    charted = prefetch([study() | {"text": {"div": text}}])
    assert len(cards_of(send(ehr.call(prefetch=charted)))) == 1
    charted = prefetch([study() | {"text": {"div": text + "x" * 16 * 1024}}])
    answer = send(ehr.call(prefetch=charted))
    assert (answer.status_code, code_of(answer)) == (413, "too_large")
    (refused,) = [one for one in caplog.records if one.message == "cds_refused"]
    assert vars(refused)["code"] == "too_large"
    assert vars(refused)["ehr"] == "north"


def test_chart_of_two_decades_gets_its_card(send: Send, ehr: CallingEhr) -> None:
    long = {"text": {"status": "generated", "div": "<div>" + "x" * 6000 + "</div>"}}
    reports = [report(2) | long | {"id": f"report-{number}"} for number in range(300)]
    body = ehr.call(prefetch=prefetch([study(), study(2)], reports))
    assert len(json.dumps(body)) > 1024**2
    assert len(cards_of(send(body))) == 1


def test_body_of_a_stranger_is_not_read(client: FlaskClient) -> None:
    answer = client.post(SERVICE_PATH, data=b"x" * 2 * LARGEST_BODY)
    assert answer.status_code == 401


def test_ehr_that_calls_too_often_is_slowed_down(app: Flask, send: Send) -> None:
    now = [0.0]
    desk: Desk = app.extensions[DESK]
    pace = Pace(per_second=1, burst=2, clock=lambda: now[0])
    app.extensions[DESK] = Desk(desk.callers, desk.charts, pace)
    assert [send().status_code for _ in range(3)] == [200, 200, 429]
    assert send().headers["Retry-After"] == "1"
    now[0] += 1
    assert [send().status_code for _ in range(2)] == [200, 429]
    assert pace.allows("another")


@pytest.mark.parametrize("user", ["Patient/clark-dan", "RelatedPerson/1"])
def test_patients_and_relatives_get_no_cards(send: Send, ehr: CallingEhr, user: str) -> None:
    body = ehr.call(prefetch=prefetch([study()]), context={"userId": user, "patientId": PATIENT})
    assert cards_of(send(body)) == []


def test_pages_of_the_calling_ehr_may_read_the_answer(
    send: Send, client: FlaskClient, ehr: CallingEhr
) -> None:
    answer = send(Origin=VIEWER)
    assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert client.get(DISCOVERY_PATH, headers={"Origin": VIEWER}).headers[
        "Access-Control-Allow-Origin"
    ] == VIEWER  # fmt: skip
    asked = client.options(
        SERVICE_PATH,
        headers={
            "Origin": VIEWER,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.status_code == 200
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9"])
def test_other_pages_may_not_even_those_of_an_ehr_that_may_not_call(
    send: Send, client: FlaskClient, origin: str
) -> None:
    for answer in (
        send(Origin=origin),
        client.options(SERVICE_PATH, headers={"Origin": origin}),
        client.get(DISCOVERY_PATH, headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_patient_and_no_token_in_logs_and_refusals(
    send: Send, ehr: CallingEhr, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {"access_token": "sealed-secret", "subject": "another-app"}
    token = ehr.token(ADDRESS)
    texts = [
        send(body, token=token).text
        for body, token in (
            (ehr.call(prefetch=prefetch([study()])), token),
            (ehr.call(prefetch=prefetch([study()])), token),
            (ehr.call(prefetch={}, fhirAuthorization=ehr.authorization(**secret)), None),
            (ehr.call(fhirServer="https://sealed-secret.example"), None),
            (ehr.call(context={"userId": "sealed-secret", "patientId": PATIENT}), None),
        )
    ]
    written = json.dumps([vars(record) for record in caplog.records], default=str)
    assert "cds_answered" in written
    assert "cds_refused" in written
    for told in (written, *texts[1:]):
        for hidden in (PATIENT, "sealed-secret", token, "study-1", "rad-1"):
            assert hidden not in told
