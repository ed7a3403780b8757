"""Whatever the hospital's servers do: a clear sentence, a clean log line, nothing half written."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from plugin.launches import OpenLaunch
from plugin.logs import JsonLines
from plugin.readings import AWAITING_LAUNCH, DONE, FAILED, Reading
from plugin.services import Services
from plugin.sweep import resume_awaiting
from plugin.workbench import Workshop
from tests.plugin.reading.conftest import PATIENT, Jobs, dicom_file, open_launch
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.samples import IMAGE_UID, SERIES_UID, STUDY_UID

pytestmark = pytest.mark.integration

HTML = Reply(200, b"<html>CLARK, Dan: please sign in</html>", {"Content-Type": "text/html"})
MODES = pytest.mark.parametrize(
    "ehr_changes", [{"write": "transaction-put"}, {"write": "put"}, {"write": "create"}], ids=str
)


def slow(_: Request) -> Reply:
    time.sleep(1.2)
    return Reply(200, b"{}")


def assert_stopped_cleanly(row: Reading, hospital: Hospital, code: str | None = None) -> None:
    """Failed, in words, with a next step, without the patient; nothing written."""
    assert row.state == FAILED
    assert row.problem is not None
    if code is not None:
        assert row.problem["code"] == code
    assert all(row.problem[part] for part in ("title", "text", "next_step"))
    assert "CLARK" not in json.dumps(row.problem)
    assert "H-1001" not in json.dumps(row.problem)
    assert row.result is None
    assert row.open_key is None
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert not hospital.of_type(kind)


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Any:
    """No line of any test may hold patient data."""
    caplog.set_level(logging.INFO)
    yield
    for record in caplog.records:
        line = JsonLines().format(record)
        for secret in ("CLARK", "Clark", "H-1001", "1930-10-19", "token-0", "<html>"):
            assert secret not in line


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
    asked = iter(range(10))

    def renumber(_: Request) -> None:
        if next(asked) == 1:
            number = PATIENT["identifier"][0] | {"value": "H-9"}  # type: ignore[index]
            hospital.change("Patient/clark-dan", identifier=[number])

    hospital.trick("GET", "^/fhir/Patient/clark-dan", renumber)
    assert_stopped_cleanly(jobs.read(launch), hospital, "study_reassigned")


def test_what_passes_by_itself_is_tried_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.trick("GET", "^/dicomweb/", Reply(500), times=1)
    row = jobs.read(launch)
    assert (row.state, row.attempts) == (DONE, 2)
    assert len(hospital.of_type("DiagnosticReport")) == 1


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


# Writing


@MODES
@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error", "cancelled"])
def test_a_report_that_somebody_worked_on_is_never_touched(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any], status: str
) -> None:
    jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    hospital.change(f"DiagnosticReport/{report['id']}", status=status, conclusion="By a reader.")
    before = dict(hospital.resources)
    row = jobs.read(launch)
    assert hospital.resources == before
    assert row.state == DONE
    assert row.report is not None
    assert row.report["saved"] is False
    assert row.report["status"] == status
    assert "left as it is" in row.report["sentence"]


@pytest.mark.parametrize("ehr_changes", [{"write": "transaction-put"}, {"write": "put"}], ids=str)
@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation"])
def test_another_patients_entry_under_our_id_is_never_touched(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any], kind: str
) -> None:
    jobs.read(launch)
    (entry,) = hospital.of_type(kind)
    place = f"{kind}/{entry['id']}"
    hospital.change(place, subject={"reference": "Patient/other"}, identifier=[])
    if kind == "Observation":
        del hospital.resources[f"DiagnosticReport/{entry['id']}"]
    before = dict(hospital.resources)
    row = jobs.read(launch)
    assert hospital.resources == before
    assert row.report is not None
    assert row.report["saved"] is False


@MODES
@pytest.mark.parametrize("status", [403, 409, 412, 422])
def test_a_record_that_refuses_the_report_keeps_nothing_half(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any], status: int
) -> None:
    target = "^/fhir$" if ehr_changes["write"] == "transaction-put" else "^/fhir/DiagnosticReport"
    for method in ("POST", "PUT"):
        hospital.trick(method, target, outcome(status))
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.result is not None
    assert row.report is not None
    assert row.report["saved"] is False
    assert "not saved" in row.report["sentence"]
    assert not hospital.of_type("DiagnosticReport")
    assert {one["status"] for one in hospital.of_type("Observation")} <= {"cancelled"} | (
        # A conflict may mean that somebody else is using it.
        {"preliminary"} if status in (409, 412) else set()
    )


@MODES
def test_an_answer_lost_after_writing_does_not_write_twice(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    target = "^/fhir$" if ehr_changes["write"] == "transaction-put" else "^/fhir/DiagnosticReport"

    def lose(request: Request) -> Reply:
        hospital._fhir(request)
        return Reply(200, b"{" * 50, {}, cut=5)

    for method in ("POST", "PUT"):
        hospital.trick(method, target, lose, times=1)
    row = jobs.read(launch)
    assert (row.state, row.problem) == (DONE, None)
    assert row.report is not None
    assert row.report["saved"] is True
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind


@pytest.mark.parametrize("ehr_changes", [{"write": "put"}, {"write": "create"}], ids=str)
def test_an_orphaned_observation_is_used_by_the_next_attempt(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    for method in ("POST", "PUT"):
        hospital.trick(method, "^/fhir/DiagnosticReport", outcome(500), times=1)
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.attempts > 1
    assert [
        len(hospital.of_type(k)) for k in ("DiagnosticReport", "Observation", "Provenance")
    ] == [
        1,
        1,
        1,
    ]


@MODES
def test_a_record_that_stays_broken_shows_the_result_and_the_next_click_completes_the_report(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    target = "^/fhir$" if ehr_changes["write"] == "transaction-put" else "^/fhir/DiagnosticReport"
    hospital.trick(
        "PUT" if ehr_changes["write"] == "put" else "POST", target, outcome(500), times=3
    )
    row = jobs.read(launch)
    assert (row.state, row.attempts) == (DONE, 3)
    assert row.result is not None
    assert row.report is not None
    assert row.report["saved"] is False
    assert not hospital.of_type("DiagnosticReport")
    again = jobs.read(launch)
    assert again.report is not None
    assert again.report["saved"] is True
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind


def test_a_report_that_does_not_read_back_is_not_said_to_be_saved(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def forget(_: Request) -> Reply | None:
        done = hospital.asked("POST", "^/fhir$")
        return outcome(404) if done else None

    hospital.trick("GET", "^/fhir/DiagnosticReport/", forget)
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.report is not None
    assert row.report["saved"] is False


@pytest.mark.parametrize("ehr_changes", [{"write": "put"}, {"write": "create"}], ids=str)
def test_a_record_without_provenance_keeps_its_report(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.trick("POST", "^/fhir/Provenance", outcome(404, "not-supported"))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True


# The sign-in runs out before writing


def _expire_before_writing(hospital: Hospital) -> None:
    def forget(_: Request) -> None:
        hospital.tokens.clear()

    hospital.trick("GET", "^/fhir/DiagnosticReport$", forget, times=1)


def test_a_sign_in_that_runs_out_waits_for_the_same_user_and_is_finished_at_the_next_launch(
    jobs: Jobs, hospital: Hospital, services: Services, launch: OpenLaunch
) -> None:
    _expire_before_writing(hospital)
    row = jobs.read(launch)
    assert row.state == AWAITING_LAUNCH
    assert row.result is not None
    assert row.problem is not None
    assert "Open Wetread again" in row.problem["next_step"]
    assert not hospital.of_type("DiagnosticReport")

    hospital.tokens.add("token-new")
    others: list[dict[str, Any]] = [
        {"subject": "p2"},
        {"patient": "somebody-else"},
        {"subject": None},
    ]
    for different in others:
        stranger = services.launches.get(open_launch(services, token="token-new", **different)[0])
        assert resume_awaiting(jobs.runner.readings, stranger, nudge_s=30) == []
    again = services.launches.get(open_launch(services, token="token-new")[0])
    assert resume_awaiting(jobs.runner.readings, again, nudge_s=30) == [row.id]
    jobs.run(row.id)
    done = jobs.row(row.id)
    assert (done.state, done.problem) == (DONE, None)
    assert done.report is not None
    assert done.report["saved"] is True
    assert len(hospital.of_type("DiagnosticReport")) == 1


def test_a_reading_that_waited_is_checked_again_before_it_is_written(
    jobs: Jobs, hospital: Hospital, services: Services, launch: OpenLaunch
) -> None:
    _expire_before_writing(hospital)
    row = jobs.read(launch)
    hospital.tokens.add("token-new")
    hospital.images[(STUDY_UID, SERIES_UID, IMAGE_UID)] = dicom_file(PatientID="H-2")
    again = services.launches.get(open_launch(services, token="token-new")[0])
    resume_awaiting(jobs.runner.readings, again, nudge_s=30)
    jobs.run(row.id)
    assert_stopped_cleanly(jobs.row(row.id), hospital, "identity_mismatch")


def test_without_a_named_user_nobody_is_awaited(
    jobs: Jobs, hospital: Hospital, services: Services
) -> None:
    launch = services.launches.get(open_launch(services, subject=None)[0])
    _expire_before_writing(hospital)
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.report is not None
    assert row.report["saved"] is False
    assert "ran out" in row.report["sentence"]
