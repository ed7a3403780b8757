"""Whatever the hospital's servers do: a clear sentence, a clean log line, nothing half written."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, FAILED
from plugin.workbench import Workshop
from tests.plugin.reading.conftest import MODES, PATIENT, Jobs, assert_stopped_cleanly, dicom_file
from tests.plugin.reading.hospital import Hospital, Reply, Request, fhir, outcome
from tests.plugin.reading.samples import IMAGE_UID, SERIES_UID, STUDY_UID

pytestmark = pytest.mark.integration

HTML = Reply(200, b"<html>CLARK, Dan: please sign in</html>", {"Content-Type": "text/html"})


def slow(_: Request) -> Reply:
    time.sleep(1.2)
    return Reply(200, b"{}")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (outcome(400), "record_rejected"),
        (outcome(403), "record_forbidden"),
        (outcome(404), "record_not_found"),
        (outcome(409), "record_changed"),
        (outcome(412), "record_changed"),
        (outcome(422), "record_rejected"),
        (outcome(429), "record_unavailable"),
        (outcome(500), "record_unavailable"),
        (HTML, "record_unavailable"),
        (Reply(200, b'{"resourceType": "Bundle", "entry": [', {}, cut=12), "record_unavailable"),
        (Reply(302, b"", {"Location": "https://evil.example/"}), "record_unavailable"),
        (slow, "record_unavailable"),
    ],
    ids=["400", "403", "404", "409", "412", "422", "429", "500", "html", "cut", "302", "slow"],
)
def test_a_record_that_misbehaves_stops_the_reading(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, answer: Any, code: str
) -> None:
    hospital.trick("GET", "^/fhir/ImagingStudy", answer)
    assert_stopped_cleanly(jobs.read(launch), hospital, code)


def test_a_refused_token_that_cannot_be_renewed_stops_the_reading(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.tokens.clear()
    assert_stopped_cleanly(jobs.read(launch), hospital, "launch_expired")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Reply(403), "archive_forbidden"),
        (Reply(404), "image_missing"),
        (Reply(500), "archive_unavailable"),
        (Reply(400), "archive_unusable"),
        (HTML, "archive_unusable"),
        (Reply(302, b"", {"Location": "https://evil.example/"}), "archive_unusable"),
        (slow, "archive_unavailable"),
    ],
    ids=["403", "404", "500", "400", "html", "302", "slow"],
)
def test_an_archive_that_misbehaves_stops_the_reading(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, answer: Any, code: str
) -> None:
    hospital.trick("GET", "^/dicomweb/", answer)
    assert_stopped_cleanly(jobs.read(launch), hospital, code)


def _multipart(body: bytes, cut: int | None = None) -> Reply:
    kind = 'multipart/related; type="application/dicom"; boundary=B'
    return Reply(200, body, {"Content-Type": kind}, cut=cut)


PART = b"--B\r\nContent-Type: application/dicom\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (_multipart(PART + dicom_file()[:5000]), "archive_unavailable"),
        (_multipart(PART + dicom_file() + b"\r\n--B--\r\n", cut=900), "archive_unavailable"),
        (_multipart(b"--B--\r\n"), "image_missing"),
        (_multipart(b""), "archive_unavailable"),
        (_multipart(b"--B\r\nContent-Type: text/html\r\n\r\nno\r\n--B--"), "archive_unusable"),
        (_multipart(PART + b"not dicom" + b"\r\n--B--"), "not_an_image"),
        (_multipart(PART + dicom_file()[:-9000] + b"\r\n--B--"), "pixels_unreadable"),
        (_multipart(PART + dicom_file(Rows=60000, Columns=60000) + b"\r\n--B--"), None),
        (_multipart(PART + dicom_file(SOPInstanceUID="1.2.3") + b"\r\n--B--"), "image_missing"),
        (_multipart(PART + dicom_file(PatientID="H-2") + b"\r\n--B--"), "identity_mismatch"),
        (
            _multipart(PART + dicom_file(IssuerOfPatientID="OTHER") + b"\r\n--B--"),
            "identity_unverifiable",
        ),
        (_multipart(PART + dicom_file(PatientID=None) + b"\r\n--B--"), "identity_unverifiable"),
        (
            _multipart(PART + dicom_file(StudyInstanceUID="1.2.9") + b"\r\n--B--"),
            "identity_mismatch",
        ),
    ],
    ids=[
        "no end", "cut", "no part", "empty", "html part", "not dicom", "truncated", "lying size",
        "other image", "other patient", "other issuer", "no patient", "other study",
    ],
)  # fmt: skip
def test_images_that_are_not_what_they_should_be_stop_the_reading(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, answer: Reply, code: str | None
) -> None:
    hospital.trick("GET", "^/dicomweb/", answer)
    assert_stopped_cleanly(jobs.read(launch), hospital, code)


def test_one_missing_image_of_two_stops_the_reading_and_leaves_no_half_cache(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, shop: Workshop
) -> None:
    series = hospital.resources["ImagingStudy/study-1"]["series"][0]
    both = [*series["instance"], {"uid": f"{STUDY_UID}.1.9"}]
    hospital.change("ImagingStudy/study-1", series=[series | {"instance": both}])
    assert_stopped_cleanly(jobs.read(launch), hospital, "image_missing")
    assert not list(shop.cache.root.rglob("*.dcm"))


@pytest.mark.parametrize("ehr_changes", [{"allow_unverifiable": True}], ids=str)
def test_where_allowed_unverifiable_images_are_read_and_the_report_says_so(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.images[(STUDY_UID, SERIES_UID, IMAGE_UID)] = dicom_file(PatientID=None)
    assert jobs.read(launch).state == DONE
    (report,) = hospital.of_type("DiagnosticReport")
    assert "could not be compared" in report["conclusion"]


@MODES
def test_a_study_reassigned_between_reading_and_writing_is_not_reported(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def reassign(_: Request) -> None:
        hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})

    hospital.trick("GET", "^/dicomweb/", reassign)
    assert_stopped_cleanly(jobs.read(launch), hospital, "study_reassigned")


def test_a_patient_renumbered_between_reading_and_writing_is_not_reported(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def renumber(_: Request) -> None:
        number = {**PATIENT["identifier"][0], "value": "H-9"}  # type: ignore[dict-item]
        hospital.change("Patient/clark-dan", identifier=[number])

    # The patient came along with the study; this is the look directly before writing.
    hospital.trick("GET", "^/fhir/Patient/clark-dan", renumber, times=1)
    assert_stopped_cleanly(jobs.read(launch), hospital, "study_reassigned")


def test_a_patient_of_another_server_that_comes_along_shows_nobodys_pictures(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    number = {**PATIENT["identifier"][0], "value": "H-9"}  # type: ignore[dict-item]
    hospital.change("Patient/clark-dan", identifier=[number])

    def include_another(request: Request) -> Reply:
        body = json.loads(hospital._fhir(request).body)
        for entry in body["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                elsewhere = "https://other.example/fhir/Patient/clark-dan"
                entry.update(resource=PATIENT, fullUrl=elsewhere)
        return fhir(200, body)

    hospital.trick("GET", "^/fhir/ImagingStudy$", include_another)
    opening_id = jobs.ask_opening(launch)
    jobs.runner.open_study(opening_id)
    opened = jobs.runner.openings.get(opening_id)
    assert opened is not None
    assert (opened.state, opened.images) == (FAILED, [])
    assert opened.problem is not None
    assert opened.problem["code"] == "identity_mismatch"
    # A reading finds it out by the look that precedes the report.
    assert_stopped_cleanly(jobs.read(launch), hospital, "study_reassigned")


def test_what_passes_by_itself_is_tried_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.trick("GET", "^/dicomweb/", Reply(500), times=1)
    row = jobs.read(launch)
    assert (row.state, row.attempts) == (DONE, 2)
    assert len(hospital.of_type("DiagnosticReport")) == 1


@pytest.mark.parametrize(
    ("asked", "times", "pause"), [("90", 1, 90.0), ("0", 3, 1.0), ("9000", 1, 120.0)]
)
def test_an_archive_that_says_when_to_come_back_is_asked_then(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, asked: str, times: int, pause: float
) -> None:
    busy = Reply(503, b"", {"Retry-After": asked})
    hospital.trick("GET", "^/dicomweb/", busy, times=times)
    row_id = jobs.ask(launch)
    jobs.runner.read(row_id)
    assert jobs.sent == [(row_id, pause)]
    jobs.runner.read(row_id)
    assert jobs.row(row_id).state == DONE


def test_a_mistake_of_ours_is_said_without_details(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, shop: Workshop
) -> None:
    def broken(_: object) -> None:
        raise ValueError("CLARK, Dan H-1001")

    object.__setattr__(shop.models["chest_xray"], "read", broken)
    assert_stopped_cleanly(jobs.read(launch), hospital, "internal")


@MODES
def test_markup_in_names_stays_text(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    evil = "<script>alert(1)</script>"
    hospital.change("Patient/clark-dan", name=[{"family": evil}])
    hospital.change("ImagingStudy/study-1", description=evil)
    image = dicom_file(PatientName=evil, StudyDescription=evil)
    hospital.images[(STUDY_UID, SERIES_UID, IMAGE_UID)] = image
    row = jobs.read(launch)
    assert row.state == DONE
    (report,) = hospital.of_type("DiagnosticReport")
    assert "text" not in report, "no narrative, so nothing is rendered as markup"
    assert evil in report["code"]["text"]
