"""Writing that broke off: what stands in the chart and what is said never differ."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.jobs.sweep import resume_awaiting
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, DONE, FAILED, Reading
from plugin.services import Services
from tests.plugin.reading.conftest import MODES, Jobs, dicom_file, open_launch
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.samples import SERIES_UID, STUDY_UID

pytestmark = pytest.mark.integration

BY_PARTS = pytest.mark.parametrize("ehr_changes", [{"write": "put"}, {"write": "create"}], ids=str)
NOT_KNOWN = "not known whether"
NOTHING = "Nothing was written"


def report_request(mode: str) -> tuple[str, str]:
    """Method and path of the request that stores the report."""
    target = "^/fhir/?$" if mode == "transaction-put" else "^/fhir/DiagnosticReport"
    return "PUT" if mode == "put" else "POST", target


def assert_words_are_true(row: Reading, hospital: Hospital) -> None:
    """Compare what the user reads with what the chart holds."""
    reports = hospital.of_type("DiagnosticReport")
    said = row.report or {}
    words = f"{said.get('sentence', '')} {(row.problem or {}).get('text', '')}"
    title = (row.problem or {}).get("title", "")
    unknown = NOT_KNOWN in words + title
    if said.get("saved"):
        assert [report["status"] for report in reports] == ["preliminary"]
    if reports and not said.get("saved"):
        assert unknown, words
        assert NOTHING not in words
    valid = [one for one in hospital.of_type("Observation") if one["status"] != "cancelled"]
    if valid and not reports:
        assert unknown or "look for it" in words, words
    if hospital.of_type("Observation"):
        assert NOTHING not in words


# One fault at every request of a reading, in every mode


def once(request: Request, hospital: Hospital) -> Reply:
    return outcome(503)


def store_and_lose_the_answer(request: Request, hospital: Hospital) -> Reply:
    hospital._fhir(request)
    return outcome(504)


def refuse(request: Request, hospital: Hospital) -> Reply:
    return outcome(403)


def end_the_sign_in(request: Request, hospital: Hospital) -> Reply:
    reply = hospital._fhir(request)
    hospital.tokens.clear()
    return reply


@MODES
@pytest.mark.parametrize(
    ("fault", "lasts"),
    [
        (once, True),
        (store_and_lose_the_answer, False),
        (store_and_lose_the_answer, True),
        (refuse, True),
        (end_the_sign_in, False),
    ],
    ids=["down", "answer lost once", "answers lost", "refused", "sign-in ended"],
)
@pytest.mark.parametrize("after", range(4, 11))
def test_whatever_fails_from_some_request_on_the_words_are_true(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    fault: Any,
    lasts: bool,
    after: int,
) -> None:
    seen = {"requests": 0}

    def fail(request: Request) -> Reply | None:
        if not hospital.asked("GET", "^/dicomweb/"):
            return None
        seen["requests"] += 1
        due = seen["requests"] > after if lasts else seen["requests"] == after + 1
        return fault(request, hospital) if due else None

    for method in ("GET", "PUT", "POST"):
        hospital.trick(method, "^/fhir", fail)
    assert_words_are_true(jobs.read(launch), hospital)


# Single cases


@BY_PARTS
def test_an_unavailable_provenance_does_not_change_what_is_said(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.trick("POST", "^/fhir/Provenance", outcome(503))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    assert row.attempts == 1


def test_a_commit_whose_answer_is_lost_in_a_record_that_then_stays_silent_is_not_known(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def commit_and_fall_silent(request: Request) -> Reply:
        hospital._fhir(request)
        hospital.trick("GET", "^/fhir/DiagnosticReport", outcome(503))
        return outcome(504)

    hospital.trick("POST", "^/fhir/?$", commit_and_fall_silent)
    row = jobs.read(launch)
    assert hospital.of_type("DiagnosticReport")
    assert row.state == DONE
    assert row.report is not None
    assert (row.report["saved"], row.report["unknown"]) == (False, True)
    assert NOT_KNOWN in row.report["sentence"]


@MODES
def test_a_sign_in_that_ends_while_writing_is_not_said_to_be_before_it(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    services: Services,
    ehr_changes: dict[str, Any],
) -> None:
    # Else the answer that says so brings the report along, and nothing is missing.
    hospital.reads_in_transactions = False
    method, target = report_request(ehr_changes["write"])
    hospital.trick(method, target, lambda r: end_the_sign_in(r, hospital), times=1)
    row = jobs.read(launch)
    assert row.state == AWAITING_LAUNCH
    assert row.problem is not None
    assert "not known" in row.problem["title"]
    hospital.tokens.add("token-new")
    again = services.launches.get(open_launch(services, token="token-new")[0])
    jobs.run(*resume_awaiting(jobs.runner.readings, again, nudge_s=30))
    done = jobs.row(row.id)
    assert done.report is not None
    assert done.report["saved"] is True
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind


@MODES
def test_a_full_disk_after_writing_costs_the_pdf_only(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    method, target = report_request(ehr_changes["write"])

    def fill(_: Request) -> None:
        monkeypatch.setattr("plugin.jobs.reading_outcome.write_private", full)

    hospital.trick(method, target, fill)
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.report is not None
    assert (row.report["saved"], row.report["pdf"]) == (True, False)


@BY_PARTS
@pytest.mark.parametrize("status", [403, 409, 503])
def test_a_finding_whose_report_never_came_is_withdrawn(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    status: int,
) -> None:
    hospital.trick(*report_request(ehr_changes["write"]), outcome(status))
    row = jobs.read(launch)
    (observation,) = hospital.of_type("Observation")
    assert observation["status"] == "cancelled"
    assert row.report is not None
    assert "marked as cancelled" in row.report["sentence"]
    assert row.report["unknown"] is (status == 503)


@BY_PARTS
def test_a_study_reassigned_between_two_attempts_leaves_no_finding_on_the_wrong_patient(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def fail_and_reassign(_: Request) -> Reply:
        hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})
        return outcome(503)

    hospital.trick(*report_request(ehr_changes["write"]), fail_and_reassign)
    row = jobs.read(launch)
    assert row.state == FAILED
    assert row.problem is not None
    assert NOTHING not in row.problem["text"]
    assert "marked as cancelled" in row.problem["text"]
    (observation,) = hospital.of_type("Observation")
    assert observation["status"] == "cancelled"


@BY_PARTS
def test_images_that_change_between_two_attempts_leave_no_finding_of_the_old_ones(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    new = f"{STUDY_UID}.1.9"

    def fail_and_retake(_: Request) -> Reply:
        hospital.images.clear()
        hospital.images[(STUDY_UID, SERIES_UID, new)] = dicom_file(SOPInstanceUID=new)
        series = hospital.resources["ImagingStudy/study-1"]["series"][0]
        changed = [series | {"instance": [{"uid": new}]}]
        hospital.change("ImagingStudy/study-1", series=changed)
        return outcome(503)

    hospital.trick(*report_request(ehr_changes["write"]), fail_and_retake, times=1)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    (report,) = hospital.of_type("DiagnosticReport")
    statuses = {f"Observation/{o['id']}": o["status"] for o in hospital.of_type("Observation")}
    assert sorted(statuses.values()) == ["cancelled", "preliminary"]
    assert statuses[report["result"][0]["reference"]] == "preliminary"


@MODES
def test_a_job_given_up_after_its_workers_died_while_writing_says_what_is_there(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    class Killed(BaseException):
        """Nothing catches it, like a kill."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    job = jobs.ask(launch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.reporting.write_back._read_back", die)
        patch.setattr("plugin.reporting.writer_lock.WriterLock.free", lambda *_: None)
        with pytest.raises(Killed):
            jobs.run(job)
    for _ in range(2):
        jobs.runner.readings.move((Reading.id == job,), lease_until=0.0)
        assert jobs.runner.readings.claim(job, "dead", -1) is not None
    with jobs.runner.readings.database.session() as session:
        session.connection().exec_driver_sql("UPDATE writers SET lease_until = 0")
    jobs.sent.clear()
    jobs.run(job)
    row = jobs.row(job)
    assert row.problem is not None
    assert row.problem["code"] == "gave_up"
    assert "is in the record" in row.problem["text"]
    assert row.report is not None
    assert row.report["saved"] is True


# What happens to the study before the report is written


@MODES
@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_study_withdrawn_while_it_was_read_is_not_reported(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any], status: str
) -> None:
    def withdraw(_: Request) -> None:
        hospital.change("ImagingStudy/study-1", status=status)

    hospital.trick("GET", "^/dicomweb/", withdraw, times=1)
    row = jobs.read(launch)
    assert row.problem is not None
    assert row.problem["code"] == "study_withdrawn"
    assert NOTHING in row.problem["text"]
    assert not hospital.of_type("DiagnosticReport")


def test_a_study_that_lost_its_images_while_they_were_read_is_not_reported(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def remove(_: Request) -> None:
        series = hospital.resources["ImagingStudy/study-1"]["series"][0]
        hospital.change("ImagingStudy/study-1", series=[series | {"instance": [{"uid": "1.2"}]}])

    hospital.trick("GET", "^/dicomweb/", remove, times=1)
    row = jobs.read(launch)
    assert row.problem is not None
    assert row.problem["code"] == "study_changed"
    assert not hospital.of_type("DiagnosticReport")


def test_a_study_reassigned_during_the_last_search_is_not_reported(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def reassign(_: Request) -> None:
        hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})

    hospital.trick("GET", "^/fhir/DiagnosticReport$", reassign, times=1)
    row = jobs.read(launch)
    assert row.problem is not None
    assert row.problem["code"] == "study_reassigned"
    assert not hospital.of_type("DiagnosticReport")


def test_nothing_is_kept_of_a_reading_whose_images_may_be_somebody_elses(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def reassign(_: Request) -> None:
        hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})

    hospital.trick("GET", "^/dicomweb/", reassign, times=1)
    row = jobs.read(launch)
    assert row.state == FAILED
    assert row.result is None
    assert not jobs.runner.shop.cache.results(row.id).exists()
