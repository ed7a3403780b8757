"""With an open launch, the check looks at scopes, study, archive, numbers and a dry write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.checks.ehr import check_ehr
from plugin.scopes import DEFAULT_SCOPES
from plugin.services import Services
from tests.plugin.checks.conftest import METADATA, Look, bad, good, header, json_reply
from tests.plugin.reading.conftest import open_launch
from tests.plugin.reading.hospital import Hospital, Reply, fhir, outcome
from tests.plugin.reading.samples import endpoint

AS = pytest.mark.parametrize


def test_check_of_a_good_hospital_finds_everything_well(furnished: Hospital, look: Look) -> None:
    results = look()
    assert set(bad(results)) <= {"capabilities", "frame_ancestors"}
    assert good(results) >= {
        "discovery", "client", "scopes", "user", "studies", "archive", "patient_numbers",
        "validate", "write_mode",
    }  # fmt: skip


def test_check_stores_nothing_and_fetches_no_pixels(furnished: Hospital, look: Look) -> None:
    before = dict(furnished.resources)
    look()
    assert furnished.resources == before
    posts = [request.path for request in furnished.requests if request.method != "GET"]
    assert sorted(posts) == [
        "/fhir/DiagnosticReport/$validate", "/fhir/Observation/$validate", "/token",
    ]  # fmt: skip
    images = [request for request in furnished.requests if "/dicomweb/" in request.path]
    assert [request.headers["accept"] for request in images] == ["application/dicom+json"]


def test_dry_report_is_the_products_own_and_says_nothing_about_the_patient(
    furnished: Hospital, look: Look
) -> None:
    look()
    [sent] = furnished.asked("POST", r"DiagnosticReport/\$validate")
    report = sent.json()
    assert sent.query == {"mode": "create"}
    assert "id" not in report
    assert report["status"] == "preliminary"
    assert report["subject"] == {"reference": "Patient/clark-dan"}
    assert "no image was looked at" in report["conclusion"]
    [observation] = furnished.asked("POST", r"Observation/\$validate")
    assert "valueQuantity" not in observation.json()


def test_without_a_launch_the_check_says_how_to_get_one(furnished: Hospital, look: Look) -> None:
    results = look(launched=False)
    assert bad(results)["no_launch"] == "no launch is open"
    assert not furnished.asked("GET", "Patient|ImagingStudy")


def test_launch_that_has_ended_is_not_used(
    furnished: Hospital, look: Look, services: Services
) -> None:
    look()
    [ehr] = services.ehrs
    launch = services.launches.newest_open(ehr)
    assert launch is not None
    services.launches.end(launch.id)
    assert "no_launch" in bad(look(launched=False))


def test_sign_in_that_has_run_out_asks_for_a_new_launch(furnished: Hospital, look: Look) -> None:
    furnished.tokens.clear()
    [result] = [one for one in look() if one.code == "launch_expired"]
    assert result.kind == "warning"
    assert "Open Wetread once" in result.remedy


def test_scopes_that_were_not_granted_are_listed_with_their_meaning(
    furnished: Hospital, look: Look
) -> None:
    granted = [one for one in DEFAULT_SCOPES if "Endpoint" not in one]
    text = bad(look(granted=granted))["scope_missing"]
    assert text.startswith("user/Endpoint.r is not granted")
    assert "image archive" in text


def test_user_whom_the_server_does_not_know_is_a_failure(furnished: Hospital, look: Look) -> None:
    furnished.trick("GET", "/fhir/Practitioner/p1$", outcome(404, "not-found"))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert "user_unknown" in bad(look())


def test_whose_sign_in_is_taken_is_said_before_it_is(
    furnished: Hospital, services: Services
) -> None:
    open_launch(services)
    [ehr] = services.ehrs
    for result in check_ehr(services, ehr):
        if result.code == "signed_in_as":
            break
    assert "Practitioner/p1, launched 20" in result.text
    assert "--without-launch" in result.text
    assert not [one for one in furnished.requests if "authorization" in one.headers]


@AS("fhir_user", [None, "https://elsewhere.example/fhir/Practitioner/9"])
def test_user_of_another_server_is_no_failure(
    furnished: Hospital, look: Look, fhir_user: str | None
) -> None:
    assert "user_unknown" not in bad(look(fhir_user=fhir_user))


def test_chart_without_studies_is_said(furnished: Hospital, look: Look) -> None:
    del furnished.resources["ImagingStudy/study-1"]
    assert bad(look())["studies"].endswith(": 0; can be read: 0")


def test_endpoint_of_an_unregistered_archive_is_named_by_its_origin_only(
    furnished: Hospital, look: Look
) -> None:
    furnished.add(endpoint("pacs", "https://images.example/secret-path/dicomweb"))
    [result] = [one for one in look() if one.code == "endpoint_refused"]
    assert result.kind == "failure"
    assert '"https://images.example"' in result.remedy
    assert "secret-path" not in str(result)


def test_study_without_an_endpoint_is_explained(furnished: Hospital, look: Look) -> None:
    furnished.change("ImagingStudy/study-1", endpoint=[])
    assert "no_endpoint" in bad(look())


@AS(("status", "word"), [(401, "access tokens"), (403, "allow"), (404, "/studies"), (500, "Try")])
def test_archive_that_refuses_is_a_failure_with_its_own_remedy(
    furnished: Hospital, look: Look, status: int, word: str
) -> None:
    furnished.tricks.insert(0, furnished.tricks[0])
    furnished.trick("GET", METADATA, Reply(status))
    furnished.tricks.insert(0, furnished.tricks.pop())
    [result] = [one for one in look() if one.code == "archive"]
    assert (result.kind, str(status) in result.text, word in result.remedy) == (
        "failure", True, True,
    )  # fmt: skip


def test_archive_that_redirects_is_named_without_any_path(furnished: Hospital, look: Look) -> None:
    there = {"Location": "https://images.example/secret-path/metadata"}
    furnished.trick("GET", METADATA, Reply(302, b"", there))
    furnished.tricks.insert(0, furnished.tricks.pop())
    text = bad(look())["redirected"]
    assert text.endswith("it redirects to another address")


def test_series_without_a_list_of_images_is_asked_by_search(
    furnished: Hospital, look: Look
) -> None:
    series = furnished.resources["ImagingStudy/study-1"]["series"][0]
    furnished.change("ImagingStudy/study-1", series=[series | {"instance": []}])
    furnished.trick("GET", "/instances$", json_reply([header()]))
    assert "patient_numbers" in good(look())
    [asked] = furnished.asked("GET", "/instances$")
    assert asked.query["limit"] == "1"


@AS(
    ("changes", "code", "words"),
    [
        ({"00100021": "OTHER"}, "issuer_of_patient_id", "'OTHER'"),
        ({"00100021": None}, "issuer_of_patient_id", "no IssuerOfPatientID"),
        ({"00100020": "X-9"}, "patient_id", "'HOSPITAL'"),
        ({"00100030": "19991231"}, "birth_date", "birth date"),
        ({"0020000D": "1.2.3"}, "study_uid", "Study Instance UID"),
        ({"00100021": "Dan <Clark>"}, "issuer_of_patient_id", "(unreadable)"),
    ],
)
def test_numbers_that_do_not_fit_are_told_with_what_to_set(
    furnished: Hospital, look: Look, changes: dict[str, Any], code: str, words: str
) -> None:
    furnished.trick("GET", METADATA, json_reply([header(**changes)]))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert words in bad(look())[code]


@AS("body", [b"", b"[]", b"{}", b"[1]", b"[" * 100_000, b'[{"00100020": 5}]', b"\xff"])
def test_header_that_is_no_dicom_json_is_no_match(
    furnished: Hospital, look: Look, body: bytes
) -> None:
    furnished.trick("GET", METADATA, Reply(200, body))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert not good(look()) & {"patient_numbers"}


def test_errors_of_the_dry_write_are_failures_in_words(furnished: Hospital, look: Look) -> None:
    issue = [
        {
            "severity": "error",
            "code": "code-invalid",
            "expression": ["DiagnosticReport.meta.security[0]"],
            "diagnostics": "Patient CLARK must not leak",
        }
    ]
    body = {"resourceType": "OperationOutcome", "issue": issue}
    for status in (200, 422):
        furnished.trick("POST", r"DiagnosticReport/\$validate$", fhir(status, body), times=1)
        furnished.tricks.insert(0, furnished.tricks.pop())
        text = bad(look())["validate"]
        assert "would refuse our DiagnosticReport" in text
        assert "DiagnosticReport.meta.security" in text


@AS(
    ("status", "code", "words"),
    [
        (404, "not-found", "does not offer $validate"),
        (405, "processing", "does not offer $validate"),
        (400, "not-supported", "does not offer $validate"),
        (403, "forbidden", "does not let this sign-in"),
        (500, "exception", "did not answer"),
    ],
)
def test_server_without_validation_proves_nothing(
    furnished: Hospital, look: Look, status: int, code: str, words: str
) -> None:
    furnished.trick("POST", r"\$validate$", outcome(status, code))
    furnished.tricks.insert(0, furnished.tricks.pop())
    results = [one for one in look() if one.code == "validate"]
    assert [one.kind for one in results] == ["warning", "warning"]
    assert all(words in one.text for one in results)


@AS("ehr_changes", [{"write": "none"}])
def test_mode_without_writing_is_said_and_nothing_is_validated(
    furnished: Hospital, look: Look
) -> None:
    assert "write_none" in bad(look())
    assert not furnished.asked("POST", "validate")


def test_answer_of_a_dry_write_is_json_a_program_can_read(furnished: Hospital, look: Look) -> None:
    for result in look():
        assert set(json.loads(json.dumps(result.as_json()))) == {
            "kind", "subject", "code", "text", "remedy",
        }  # fmt: skip
