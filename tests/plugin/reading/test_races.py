"""Two who write at the same place: a clinician's report is never lost without an alarm."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from plugin.jobs.job_runner import JobRunner
from plugin.launching.launches import OpenLaunch
from plugin.readings import Reading
from plugin.services import Services
from smart_launch.http import Http, HttpLimits
from tests.plugin.reading.conftest import MODES, Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome

pytestmark = pytest.mark.integration

OWN_IDS = pytest.mark.parametrize(
    "ehr_changes", [{"write": "transaction-put"}, {"write": "put"}], ids=str
)
HUMAN = {"status": "final", "conclusion": "By a reader."}


def sign_at_the_last_moment(hospital: Hospital) -> None:
    """A clinician's final report appears under our id after our last look, before our write."""

    def sneak(request: Request) -> None:
        body = request.json()
        entries = [entry.get("resource") for entry in body.get("entry", [{"resource": body}])]
        (report,) = [one for one in entries if one and one["resourceType"] == "DiagnosticReport"]
        hospital.add(report | HUMAN)

    hospital.trick("POST", "^/fhir/?$", sneak, times=1)
    hospital.trick("PUT", "^/fhir/DiagnosticReport", sneak, times=1)


@OWN_IDS
def test_a_record_that_is_asked_to_take_new_reports_only_keeps_the_clinicians(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.hears_only_new = True
    sign_at_the_last_moment(hospital)
    row = jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == ("final", "By a reader.")
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "final")
    assert "left as it is" in row.report["sentence"]


@OWN_IDS
def test_a_record_for_which_nothing_there_is_version_0_keeps_the_clinicians(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.of_version_0 = "hapi"
    sign_at_the_last_moment(hospital)
    row = jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == ("final", "By a reader.")
    assert [one["status"] for one in hospital.history[f"DiagnosticReport/{report['id']}"]] == [
        "final"
    ]
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "final")


@OWN_IDS
def test_an_entry_that_was_written_over_raises_an_alarm(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign_at_the_last_moment(hospital)
    row = jobs.read(launch)
    assert row.report is not None
    assert "history" in row.report["sentence"]
    assert "administrator at once" in row.report["sentence"]
    (alarm,) = [record for record in caplog.records if record.message == "entry_replaced"]
    assert alarm.levelname == "ERROR"


def test_a_record_that_leaves_the_status_out_is_read_back(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.says_status = False
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True


@MODES
def test_a_report_stored_and_signed_before_its_answer_got_lost_is_not_written_over(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def store_sign_and_fail(request: Request) -> Reply:
        hospital._fhir(request)
        (report,) = hospital.of_type("DiagnosticReport")
        hospital.change(f"DiagnosticReport/{report['id']}", **HUMAN)
        return outcome(503)

    mode = ehr_changes["write"]
    target = "^/fhir/?$" if mode == "transaction-put" else "^/fhir/DiagnosticReport"
    hospital.trick("PUT" if mode == "put" else "POST", target, store_sign_and_fail, times=1)
    row = jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    assert report["status"] == "final"
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "final")


@pytest.mark.parametrize("ehr_changes", [{"write": "put"}, {"write": "create"}], ids=str)
def test_a_conflict_does_not_cancel_the_finding_that_the_faster_report_uses(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def faster(request: Request) -> Reply:
        hospital.add({"id": "faster"} | request.json())
        return outcome(409, "conflict")

    for method in ("PUT", "POST"):
        hospital.trick(method, "^/fhir/DiagnosticReport", faster, times=1)
    row = jobs.read(launch)
    (observation,) = hospital.of_type("Observation")
    assert row.report is not None
    assert (row.report["saved"], observation["status"]) == (True, "preliminary")


# A worker that was stopped, replaced and wakes up


def replace_while_asleep(
    jobs: Jobs, services: Services, launch: OpenLaunch, reached: threading.Event
) -> threading.Thread:
    """Start worker A; when it sleeps, let worker B do the job and a clinician sign."""
    row_id = jobs.ask(launch)
    patient = replace(services, http=Http(HttpLimits(read_s=30)))
    shop = replace(jobs.runner.shop, services=patient)
    sleeper = JobRunner(shop, jobs.runner.leases, lambda *_: None, lambda *_: None)
    thread = threading.Thread(target=sleeper.read, args=(row_id,))
    thread.start()
    assert reached.wait(10)
    given_up = {"state": "queued", "lease_owner": None}
    with services.database.session() as session:
        session.execute(update(Reading).where(Reading.id == row_id).values(given_up))
        # The lock's lease ran out with the job's.
        session.connection().exec_driver_sql("UPDATE writers SET lease_until = 0")
    jobs.runner.read(row_id)
    done = jobs.row(row_id)
    assert done.report is not None
    assert done.report["saved"] is True
    return thread


@MODES
@pytest.mark.parametrize("last_look", ["DiagnosticReport$", "(DiagnosticReport/|Observation)"])
def test_a_worker_that_lost_its_job_writes_nothing_when_it_wakes_up(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    services: Services,
    ehr_changes: dict[str, Any],
    last_look: str,
) -> None:
    reached, go = threading.Event(), threading.Event()

    def sleep(request: Request) -> Reply:
        found = hospital._fhir(request)
        reached.set()
        go.wait(20)
        return found  # as it was before B wrote

    hospital.trick("GET", f"^/fhir/{last_look}", sleep, times=1)
    thread = replace_while_asleep(jobs, services, launch, reached)
    (report,) = hospital.of_type("DiagnosticReport")
    hospital.change(f"DiagnosticReport/{report['id']}", **HUMAN)
    before = dict(hospital.resources)
    go.set()
    thread.join(20)
    assert hospital.resources == before
