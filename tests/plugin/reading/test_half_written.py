"""Transactions carried out in part, and what is said of a report whose finding is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from plugin.readings import Reading
from plugin.reporting.write_bundle import was_carried_out
from plugin.reporting.written_over import entries_that_met_one
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, fhir
from tests.plugin.reading.test_races import HUMAN, OWN_IDS
from tests.plugin.reading.test_requests import assert_saved

pytestmark = pytest.mark.integration

PARTIAL = pytest.mark.parametrize("kind", ["transaction-response", "batch-response"])
LISTS_NOTHING = fhir(200, {"resourceType": "Bundle", "type": "searchset", "entry": []})


def one_by_one(hospital: Hospital, kind: str, refused: str = "") -> None:
    """Take the entries of a transaction as if each had come by itself, and refuse one type."""

    def answer(entry: dict[str, Any], request: Request) -> dict[str, Any]:
        if entry["request"]["method"] == "GET":
            return hospital._entry(entry, request)
        resource = entry["resource"]
        if resource["resourceType"] == refused:
            return {"response": {"status": "422 Unprocessable Entity"}}
        is_put = entry["request"]["method"] == "PUT"
        done = hospital._put(resource, None, None) if is_put else hospital._create(resource, None)
        return {"response": {"status": str(done.status)}}

    def take(request: Request) -> Reply:
        entries = [answer(entry, request) for entry in request.json()["entry"]]
        return fhir(200, {"resourceType": "Bundle", "type": kind, "entry": entries})

    hospital.trick("POST", "^/fhir/?$", take)


def assert_said_to_be_incomplete(row: Reading, hospital: Hospital) -> None:
    (report,) = hospital.of_type("DiagnosticReport")
    assert row.report is not None
    assert (row.report["saved"], row.report["observation"]) == (False, None)
    assert row.report["report"] == f"DiagnosticReport/{report['id']}"
    assert "the finding that it refers to is missing or was withdrawn" in row.report["sentence"]


@PARTIAL
def test_a_report_whose_finding_was_refused_in_the_same_transaction_is_not_said_to_be_saved(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str
) -> None:
    one_by_one(hospital, kind, refused="Observation")
    for _ in range(2):
        assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert not hospital.of_type("Observation")


@PARTIAL
def test_a_report_whose_finding_was_refused_stays_incomplete_if_no_search_lists_it(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str
) -> None:
    one_by_one(hospital, kind, refused="Observation")
    hospital.trick("GET", "^/fhir/DiagnosticReport$", LISTS_NOTHING)
    for _ in range(3):
        assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert not hospital.of_type("Observation")


@PARTIAL
def test_a_finding_withdrawn_earlier_does_not_stand_in_for_the_one_refused_now(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str
) -> None:
    one_by_one(hospital, kind, refused="DiagnosticReport")
    jobs.read(launch)
    hospital.tricks.clear()
    one_by_one(hospital, kind, refused="Observation")
    for _ in range(2):
        assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert [one["status"] for one in hospital.of_type("Observation")] == ["cancelled"]


@PARTIAL
def test_a_finding_withdrawn_earlier_says_again_what_is_sent_now(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str
) -> None:
    one_by_one(hospital, kind, refused="DiagnosticReport")
    jobs.read(launch)
    hospital.tricks.clear()
    one_by_one(hospital, kind)
    assert_saved(jobs.read(launch))
    assert [one["status"] for one in hospital.of_type("Observation")] == ["preliminary"]


@PARTIAL
def test_a_finding_whose_report_was_refused_in_the_same_transaction_is_withdrawn(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str
) -> None:
    one_by_one(hospital, kind, refused="DiagnosticReport")
    row = jobs.read(launch)
    assert row.report is not None
    assert (row.report["saved"], row.report["report"]) == (False, None)
    assert [one["status"] for one in hospital.of_type("Observation")] == ["cancelled"]


def test_a_transaction_answered_as_a_batch_is_saved_when_all_of_it_is_there(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    one_by_one(hospital, "batch-response")
    assert_saved(jobs.read(launch))
    assert len(hospital.asked("POST", "^/fhir/?$")) == 1


@OWN_IDS
def test_a_report_whose_finding_was_deleted_is_not_said_to_be_saved_and_nothing_is_put_back(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    (finding,) = hospital.of_type("Observation")
    del hospital.resources[f"Observation/{finding['id']}"]
    assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert not hospital.of_type("Observation")


@OWN_IDS
def test_a_report_whose_finding_was_deleted_is_not_said_to_be_saved_if_no_search_lists_it(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    (finding,) = hospital.of_type("Observation")
    del hospital.resources[f"Observation/{finding['id']}"]
    hospital.trick("GET", "^/fhir/DiagnosticReport$", LISTS_NOTHING)
    assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert not hospital.of_type("Observation")


@pytest.mark.parametrize("lists_it", [True, False], ids=["listed", "not listed"])
@pytest.mark.parametrize(
    "change",
    [
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"subject": {"reference": "Patient/other"}},
    ],
    ids=str,
)
@OWN_IDS
def test_a_report_whose_finding_does_not_count_in_this_chart_is_not_said_to_be_saved(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    change: dict[str, Any],
    lists_it: bool,
) -> None:
    jobs.read(launch)
    (finding,) = hospital.of_type("Observation")
    hospital.change(f"Observation/{finding['id']}", **change)
    if not lists_it:
        hospital.trick("GET", "^/fhir/DiagnosticReport$", LISTS_NOTHING)
    before = dict(hospital.resources)
    assert_said_to_be_incomplete(jobs.read(launch), hospital)
    assert hospital.resources == before


@OWN_IDS
def test_a_finding_that_a_clinician_signed_is_not_missing_from_its_report(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    (finding,) = hospital.of_type("Observation")
    hospital.change(f"Observation/{finding['id']}", status=HUMAN["status"])
    assert_saved(jobs.read(launch))


@OWN_IDS
def test_a_report_that_refers_to_a_finding_under_another_id_lacks_none_of_ours(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    (finding,), (report,) = hospital.of_type("Observation"), hospital.of_type("DiagnosticReport")
    del hospital.resources[f"Observation/{finding['id']}"]
    place = hospital.add(finding | {"id": "moved"})
    hospital.change(f"DiagnosticReport/{report['id']}", result=[{"reference": place}])
    row = jobs.read(launch)
    assert_saved(row)
    assert row.report is not None
    assert row.report["observation"] == place


@pytest.mark.parametrize(
    "entries", [None, {}, ["x", None], [{}, {"response": None}], [{"response": "200"}]], ids=str
)
def test_an_answer_of_any_form_is_read(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, entries: Any
) -> None:
    def nonsense(request: Request) -> Reply:
        body = json.loads(hospital._fhir(request).body)
        return fhir(200, body | {"entry": entries})

    hospital.trick("POST", "^/fhir/?$", nonsense)
    assert_saved(jobs.read(launch))
    assert entries_that_met_one({"entry": entries}) == {}


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        ({"type": "transaction-response", "entry": [{}, {}]}, True),
        ({"type": "transaction-response", "entry": []}, True),
        ({"type": "transaction-response"}, False),
        ({"type": "batch-response", "entry": [{}, {}]}, False),
        ({"entry": [{}, {}]}, False),
        ({"type": "transaction-response", "entry": [{}, {"response": {"status": "500"}}]}, False),
        ({"type": "transaction-response", "entry": [{"response": {"status": 412}}]}, False),
        (
            {"type": "transaction-response", "entry": [{}, {}, {"response": {"status": "422"}}]},
            True,
        ),
    ],
)
def test_only_an_answer_to_a_transaction_without_refused_updates_says_that_all_was_done(
    answer: dict[str, Any], whole: bool
) -> None:
    assert was_carried_out(answer) is whole
