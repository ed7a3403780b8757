"""Writing: once, read back, never over anybody's work, and finished when a sign-in runs out."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.jobs.sweep import resume_awaiting
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, DONE
from plugin.services import Services
from tests.plugin.reading.conftest import (
    MODES,
    Jobs,
    assert_stopped_cleanly,
    dicom_file,
    open_launch,
)
from tests.plugin.reading.hospital import Hospital, Reply, Request, fhir, outcome
from tests.plugin.reading.samples import IMAGE_UID, SERIES_UID, STUDY_UID

pytestmark = pytest.mark.integration


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

    hospital.trick("GET", "^/fhir/DiagnosticReport", forget)
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.report is not None
    assert (row.report["saved"], row.report["unknown"]) == (False, True)
    assert "not known" in row.report["sentence"]


@pytest.mark.parametrize("ehr_changes", [{"write": "put"}, {"write": "create"}], ids=str)
def test_a_record_without_provenance_keeps_its_report(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.trick("POST", "^/fhir/Provenance", outcome(404, "not-supported"))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True


def lagging(hospital: Hospital) -> None:
    """Let searches for reports find what is there now, whatever becomes of it."""
    entries = [{"resource": one} for one in hospital.of_type("DiagnosticReport")]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    hospital.trick("GET", "^/fhir/DiagnosticReport$", fhir(200, bundle))


@MODES
def test_a_report_is_not_said_to_be_there_on_the_word_of_a_search_that_lags_behind(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    lagging(hospital)
    (report,) = hospital.of_type("DiagnosticReport")
    hospital.change(f"DiagnosticReport/{report['id']}", status="entered-in-error")
    row = jobs.read(launch)
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "entered-in-error")
    assert "left as it is" in row.report["sentence"]


@MODES
def test_a_report_that_is_gone_though_a_search_still_finds_it_is_written_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    lagging(hospital)
    (report,) = hospital.of_type("DiagnosticReport")
    del hospital.resources[f"DiagnosticReport/{report['id']}"]
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    assert len(hospital.of_type("DiagnosticReport")) == 1


@MODES
def test_what_is_said_after_writing_broke_off_is_not_what_a_lagging_search_says(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def store_withdraw_and_fail(request: Request) -> Reply:
        hospital._fhir(request)
        if hospital.of_type("DiagnosticReport"):
            lagging(hospital)
            (report,) = hospital.of_type("DiagnosticReport")
            hospital.change(f"DiagnosticReport/{report['id']}", status="entered-in-error")
        return outcome(409, "conflict")

    mode = ehr_changes["write"]
    target = "^/fhir/?$" if mode == "transaction-put" else "^/fhir/DiagnosticReport"
    hospital.trick("PUT" if mode == "put" else "POST", target, store_withdraw_and_fail, times=1)
    row = jobs.read(launch)
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "entered-in-error")


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
