"""How many FHIR requests a reading needs, and what happens where a record offers less than FHIR."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, Reading
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, fhir, outcome
from tests.plugin.reading.test_studies import ignoring

WRITTEN = ("DiagnosticReport", "Observation", "Provenance")


def forget_reports(hospital: Hospital) -> None:
    """Empty the chart of what was written, and the list of requests."""
    for kind in WRITTEN:
        for one in hospital.of_type(kind):
            del hospital.resources[f"{kind}/{one['id']}"]
    hospital.requests.clear()


def assert_saved(row: Reading) -> None:
    assert (row.state, row.problem) == (DONE, None)
    assert row.report is not None
    assert row.report["saved"] is True


def on_the_wire(hospital: Hospital) -> list[str]:
    """FHIR requests; what stands inside a Bundle is not one."""
    inside = [f"GET {url}" for r in hospital.requests for url in urls_inside(r)]
    sent = []
    for one in hospital.requests:
        if not one.path.startswith("/fhir") or ".well-known" in one.path:
            continue
        line = f"{one.method} {one.path.removeprefix('/fhir').strip('/')}"
        if line in inside:
            inside.remove(line)
        else:
            sent.append(line)
    return sent


def urls_inside(request: Request) -> list[str]:
    if request.path.rstrip("/") != "/fhir":
        return []
    asked = [entry["request"] for entry in request.json()["entry"]]
    return [one["url"].partition("?")[0] for one in asked if one["method"] == "GET"]


# The table of docs/requests.md: a number that grows must be explained there.
COUNTS = [
    ("transaction-put", True, 3),
    ("put", True, 7),
    ("create", True, 6),
    ("put", False, 11),
    ("create", False, 9),
    ("none", True, 2),
]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("ehr_changes", "batches", "count"),
    [({"write": mode}, batches, count) for mode, batches, count in COUNTS],
    ids=str,
)
def test_a_reading_needs_no_more_requests_than_its_mode_and_the_record_make_necessary(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    batches: bool,
    count: int,
) -> None:
    hospital.takes_batches = batches
    jobs.read(launch)  # what a record refuses is found out once
    forget_reports(hospital)
    row = jobs.read(launch)
    assert row.state == DONE
    assert len(on_the_wire(hospital)) == count, on_the_wire(hospital)


# Records that include nothing


@pytest.mark.integration
def test_a_record_that_refuses_includes_is_asked_with_them_once(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def refuse(request: Request) -> Reply | None:
        return outcome(400) if "_include" in request.query else None

    hospital.trick("GET", "^/fhir/ImagingStudy$", refuse)
    for _ in range(2):
        assert_saved(jobs.read(launch))
        forget_reports(hospital)
    jobs.read(launch)
    searches = hospital.asked("GET", "^/fhir/ImagingStudy$")
    assert ["_include" in one.query for one in searches] == [False]
    assert hospital.asked("GET", "^/fhir/Endpoint/pacs$")


@pytest.mark.integration
def test_a_patient_that_does_not_come_along_is_read(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.trick("GET", "^/fhir/ImagingStudy$", ignoring("_include"))
    assert_saved(jobs.read(launch))
    # Before reading, and once more directly before writing.
    assert len(hospital.asked("GET", "^/fhir/Patient/clark-dan$")) == 2


@pytest.mark.integration
def test_a_linked_record_that_comes_along_does_not_pass_for_the_patient(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    link = {"type": "replaces", "other": {"reference": "Patient/old"}}
    hospital.change("Patient/clark-dan", link=[link])
    hospital.add({"resourceType": "Patient", "id": "old", "gender": "male"})
    hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/old"})
    hospital.trick("GET", "^/fhir/ImagingStudy$", ignoring("patient"))
    assert_saved(jobs.read(launch))
    (report,) = hospital.of_type("DiagnosticReport")
    assert report["subject"] == {"reference": "Patient/clark-dan"}
    assert len(hospital.asked("GET", "^/fhir/Patient/clark-dan$")) == 2


# Records that read nothing back in a transaction


@pytest.mark.integration
def test_a_record_that_refuses_reads_in_a_transaction_is_written_to_without_one(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.reads_in_transactions = False
    assert_saved(jobs.read(launch))
    forget_reports(hospital)
    assert_saved(jobs.read(launch))
    (sent,) = hospital.asked("POST", "^/fhir/?$")
    assert b'"GET"' not in sent.body
    # What it may have understood is asked for again.
    assert b"ifNoneMatch" in sent.body


@pytest.mark.integration
@pytest.mark.parametrize(
    "change",
    [{"status": "final"}, {"identifier": []}, {"subject": {"reference": "Patient/other"}}],
    ids=str,
)
def test_a_transaction_that_reads_back_something_else_is_not_said_to_be_saved(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, change: dict[str, Any]
) -> None:
    def overtake(_: Request) -> None:
        if hospital.of_type("DiagnosticReport"):
            (report,) = hospital.of_type("DiagnosticReport")
            hospital.change(f"DiagnosticReport/{report['id']}", **change)

    hospital.trick("GET", "^/fhir/DiagnosticReport/", overtake)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is False


@pytest.mark.integration
@pytest.mark.parametrize("left", [0, 1, 3], ids=str)
def test_an_answer_that_does_not_read_the_report_is_no_proof(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, left: int
) -> None:
    def leave_out(request: Request) -> Reply:
        reply = hospital._fhir(request)
        body = json.loads(reply.body)
        return fhir(200, body | {"entry": body["entry"][:left]})

    hospital.trick("POST", "^/fhir/?$", leave_out)
    assert_saved(jobs.read(launch))
    wire = on_the_wire(hospital)
    assert wire[-1].startswith("GET DiagnosticReport/"), wire
