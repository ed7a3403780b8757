"""Every bad answer becomes one error with a plain sentence and no patient data."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.errors import (
    FhirConflict,
    FhirError,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    FhirUnauthorized,
    FhirUnavailable,
    SmartError,
)
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from smart_launch.outcome import describe, read_outcome
from tests.smart_launch.loopback import Loopback, Says
from tests.smart_launch.test_http import cut_short, drip, fall_silent, hang_up

PATIENT = {"resourceType": "Patient", "id": "pat-77"}
LEAK = "Clark, Dan H-1001"
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "value",
            "diagnostics": f"no such patient: {LEAK}",
            "details": {"text": LEAK},
            "expression": ["Observation.value", f"Observation.where(x='{LEAK}')"],
        }
    ],
}


def error_of(http: Http, server: Loopback, says: Says) -> FhirError:
    server.says("GET", "/fhir/Patient/pat-77", says)
    with pytest.raises(FhirError) as caught:
        FhirClient(server.url + "/fhir", "the-token", http=http).read("Patient", "pat-77")
    shown = f"{caught.value} {caught.value!r} {caught.value.sentence}"
    assert not any(word in shown for word in ("Clark", "H-1001", "pat-77", "the-token", "<"))
    assert caught.value.sentence.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, FhirRejected, False),
        (401, FhirUnauthorized, False),
        (403, FhirForbidden, False),
        (404, FhirNotFound, False),
        (405, FhirRejected, False),
        (408, FhirUnavailable, True),
        (409, FhirConflict, False),
        (410, FhirNotFound, False),
        (412, FhirConflict, False),
        (415, FhirRejected, False),
        (422, FhirRejected, False),
        (429, FhirUnavailable, True),
        (500, FhirUnavailable, True),
        (501, FhirUnavailable, True),
        (502, FhirUnavailable, True),
        (503, FhirUnavailable, True),
        (504, FhirUnavailable, True),
    ],
)
@pytest.mark.parametrize("body", [OUTCOME, b"", b"<html>Clark, Dan", b'{"resourceType": "Oper'])
def test_every_status_has_its_error(
    http: Http, server: Loopback, status: int, kind: type[FhirError], retryable: bool, body: Any
) -> None:
    error = error_of(http, server, Says(status, body))
    assert type(error) is kind
    assert (error.status, error.retryable) == (status, retryable)
    assert isinstance(error, SmartError)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused(
    http: Http, server: Loopback, elsewhere: Loopback, status: int
) -> None:
    location = {"Location": elsewhere.url + "/fhir/Patient/pat-77"}
    error = error_of(http, server, Says(status, headers=location))
    assert (error.code, error.retryable) == ("redirected", False)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (Says(200, b"<html>Clark, Dan"), "html_not_json"),
        (Says(200, b'{"resourceType": "Patient", "id": "pat-7'), "not_json"),
        (Says(200, b""), "not_json"),
        (Says(200, {"id": "pat-77"}), "not_fhir"),
        (Says(200, [PATIENT]), "not_json"),
        (Says(200, OUTCOME), "wrong_resource"),
        (Says(write=cut_short), "cut_short"),
        (Says(write=hang_up), "unreachable"),
        (Says(200, b'{"x": "' + b"y" * 200_001), "too_large"),
    ],
)
def test_garbage_is_named_and_never_taken_for_an_answer(
    http: Http, server: Loopback, says: Says, code: str
) -> None:
    error = error_of(http, server, says)
    assert isinstance(error, FhirUnavailable)
    assert error.code == code


def test_a_silent_server_is_named(impatient: Http, server: Loopback) -> None:
    error = error_of(impatient, server, Says(write=fall_silent))
    assert (error.code, error.retryable, error.status) == ("timed_out", True, None)


def test_a_body_that_drips_in_within_the_time_is_not_json_in_the_end(
    http: Http, server: Loopback
) -> None:
    assert error_of(http, server, Says(write=drip)).code == "not_json"


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_is_told_to_the_caller(
    http: Http, server: Loopback, pauses: list[float], status: int
) -> None:
    error = error_of(http, server, Says(status, headers={"Retry-After": "120"}))
    assert (error.retry_after_s, pauses, len(server.asked)) == (120.0, [], 1)


def test_a_refusal_says_what_was_wrong_and_keeps_the_servers_words_apart(
    http: Http, server: Loopback
) -> None:
    server.says("POST", "/fhir/Observation", Says(422, OUTCOME))
    client = FhirClient(server.url + "/fhir", "the-token", http=http)
    with pytest.raises(FhirRejected) as caught:
        client.create({"resourceType": "Observation"})
    assert caught.value.sentence == (
        "The record system did not accept this: a value is not allowed (Observation.value)."
    )
    assert caught.value.issues[0].diagnostics == f"no such patient: {LEAK}; {LEAK}"
    assert LEAK not in repr(caught.value.issues)


def test_nothing_about_the_patient_is_logged_while_trying_again(
    http: Http, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        error_of(http, server, Says(write=hang_up))
    assert "pat-77" not in caplog.text
    assert len(server.asked) == 3


# --- OperationOutcome -----------------------------------------


def test_warnings_do_not_hide_the_error() -> None:
    issues = read_outcome(
        {
            "resourceType": "OperationOutcome",
            "issue": [
                {"severity": "warning", "code": "code-invalid"},
                {"severity": "error", "code": "required", "location": ["DiagnosticReport.code"]},
                {"severity": "error", "code": "required", "expression": ["DiagnosticReport.code"]},
            ],
        }
    )
    assert describe(issues) == "a required part is missing (DiagnosticReport.code)"


def test_an_unknown_issue_is_still_a_refusal() -> None:
    issues = read_outcome(
        {"resourceType": "OperationOutcome", "issue": [{"severity": "x", "code": LEAK}]}
    )
    assert describe(issues) == "it could not be processed"


@pytest.mark.parametrize(
    "document", [{}, {**PATIENT, "issue": [{}]}, {"resourceType": "OperationOutcome"}]
)
def test_other_documents_hold_no_issues(document: dict[str, Any]) -> None:
    assert read_outcome(document) == ()
    assert describe(()) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=6,
)


MEMBERS = ("severity", "code", "diagnostics", "details", "expression", "location")


@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), json_values) | json_values))
def test_no_outcome_makes_reading_fall_over_or_puts_its_free_text_into_the_sentence(
    issues: list[Any],
) -> None:
    read = read_outcome({"resourceType": "OperationOutcome", "issue": issues})
    assert describe(read).isascii()
