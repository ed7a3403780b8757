"""What the hospital's token endpoint may answer, and what is refused."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from sqlalchemy import func, select

from plugin.launching.launches import Launch
from plugin.services import Services
from tests.plugin.launch.conftest import Browser, problem_code
from tests.plugin.launch.hospital import SCOPES, Hospital


def launches_in(services: Services) -> int:
    with services.database.session() as session:
        return session.scalar(select(func.count()).select_from(Launch)) or 0


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"nonce": "of-another-launch"},
        {"exp": int(time.time()) - 3600},
    ],
    ids=["audience", "issuer", "nonce", "expired"],
)
def test_id_token_with_a_wrong_claim_opens_nothing(
    browser: Browser, hospital: Hospital, services: Services, claims: dict[str, Any]
) -> None:
    before = launches_in(services)
    hospital.behaviour.claims = claims
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 400
    assert problem_code(answer)
    assert "handle" not in answer.get_json()
    assert launches_in(services) == before


@pytest.mark.parametrize("sign_with", ["foreign", "none"])
def test_id_token_that_the_hospital_did_not_sign_opens_nothing(
    browser: Browser, hospital: Hospital, services: Services, sign_with: str
) -> None:
    before = launches_in(services)
    hospital.behaviour.sign_with = sign_with
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 400
    assert launches_in(services) == before


def test_token_without_patient_is_refused_and_given_back(
    browser: Browser, hospital: Hospital, services: Services
) -> None:
    before = launches_in(services)
    hospital.behaviour.leave_out = ("patient",)
    answer = browser.call_back(browser.launch())
    assert problem_code(answer) == "patient_missing"
    assert launches_in(services) == before
    # Refresh token and access token: nothing that was refused stays usable.
    assert len(hospital.revoked) == 2


@pytest.mark.parametrize("user", ["Patient/p-1", "RelatedPerson/r-1"])
def test_user_who_is_a_patient_is_refused_and_the_tokens_given_back(
    browser: Browser, hospital: Hospital, services: Services, user: str
) -> None:
    before = launches_in(services)
    hospital.behaviour.fhir_user = user
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 403
    assert problem_code(answer) == "user_is_patient"
    assert "clinicians" in answer.get_json()["problem"]["title"]
    assert launches_in(services) == before
    assert len(hospital.revoked) == 2


@pytest.mark.parametrize("named", ["Device/1", "https://x.example/users/zora", "zora-7"])
def test_user_named_in_a_way_that_cannot_be_read_is_refused_and_the_tokens_given_back(
    browser: Browser, hospital: Hospital, named: str
) -> None:
    hospital.behaviour.fhir_user = named
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 403
    assert problem_code(answer) == "user_unreadable"
    assert named not in answer.text
    assert len(hospital.revoked) == 2


def test_user_whom_the_hospital_does_not_name_may_go_on(
    browser: Browser, hospital: Hospital
) -> None:
    hospital.behaviour.claims = {"fhirUser": None}
    assert browser.open()


@pytest.mark.parametrize("lost", ["patient/Patient.r", "patient/ImagingStudy.rs"])
def test_scope_without_which_nothing_can_be_read_is_named(
    browser: Browser, hospital: Hospital, lost: str
) -> None:
    hospital.behaviour.token = {"scope": SCOPES.replace(lost, "")}
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 403
    assert problem_code(answer) == "scopes_missing"
    assert "may not" in answer.get_json()["problem"]["text"]
    assert len(hospital.revoked) == 2


def test_scope_for_writing_that_was_refused_is_kept_with_a_sentence(
    browser: Browser, hospital: Hospital, services: Services
) -> None:
    kept = SCOPES.replace("patient/DiagnosticReport.crus", "patient/DiagnosticReport.rs")
    hospital.behaviour.token = {"scope": kept}
    launch = services.launches.by_handle(browser.open())
    assert [entry.scope for entry in launch.missing] == ["patient/DiagnosticReport.cu"]
    assert launch.missing[0].sentence.endswith(".")


def test_scopes_of_smart_version_one_count(browser: Browser, hospital: Hospital) -> None:
    hospital.behaviour.token = {"scope": "launch openid fhirUser online_access patient/*.read"}
    assert browser.call_back(browser.launch()).status_code == 200


def test_launch_context_survives_the_database(
    browser: Browser, hospital: Hospital, services: Services
) -> None:
    study = {"reference": "ImagingStudy/s-1"}
    note = {"identifier": {"system": "urn:x", "value": "7"}, "type": "DocumentReference"}
    hospital.behaviour.token = {
        "encounter": "e-1",
        "fhirContext": [study, note],
        "intent": "read",
        "need_patient_banner": False,
        "tenant": "t",
    }
    context = services.launches.by_handle(browser.open()).context
    assert (context.patient, context.encounter, context.imaging_study) == ("p-1", "e-1", "s-1")
    assert context.fhir_context[1].identifier == ("urn:x", "7")
    assert (context.intent, context.need_patient_banner, context.tenant) == ("read", False, "t")
    assert context.user is not None
    assert context.user.type == "Practitioner"


def test_server_that_breaks_down_gives_a_sentence_and_no_launch(
    browser: Browser, hospital: Hospital
) -> None:
    hospital.behaviour.discovery = {"token_endpoint": "http://127.0.0.1:9/token"}
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 502
    assert problem_code(answer)
    # It is asked again where its sign-in lies, and the next launch succeeds.
    hospital.behaviour.discovery = {}
    assert browser.open()


def test_hospital_is_asked_once_about_its_sign_in_for_many_launches(
    browser: Browser, hospital: Hospital
) -> None:
    for _ in range(3):
        browser.open()
    assert hospital.paths("/smart-configuration") == 1


def test_log_of_a_launch_names_no_patient_and_no_secret(
    browser: Browser, hospital: Hospital, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wetread")
    page = browser.launch()
    body = hospital.sign_in(page.authorize) | {"binder": page.binder}
    handle = browser.post(body).get_json()["handle"]
    hospital.behaviour.fhir_user = "Patient/p-1"
    browser.call_back(browser.launch())
    ours = [record for record in caplog.records if record.name.startswith("wetread")]
    assert ours
    written = " ".join(str(vars(record)) for record in ours)
    for secret in (*body.values(), handle, "p-1", "user-1", "Practitioner/1"):
        assert secret not in written
