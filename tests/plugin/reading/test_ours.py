"""What a record names is not ours before it carries our key: lax searches, lax conditions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from plugin.reporting.fhir_codes import READING_KEY, own
from plugin.reporting.ours import has_identifier, is_unmarked_finding
from tests.plugin.reading.conftest import MODES, Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.test_races import OWN_IDS
from tests.plugin.reading.test_requests import assert_saved, forget_reports
from tests.plugin.reading.test_studies import ignoring

pytestmark = pytest.mark.integration

CREATE = pytest.mark.parametrize("ehr_changes", [{"write": "create"}], ids=str)
CULTURE = {
    "resourceType": "Observation",
    "id": "lab-culture",
    "status": "preliminary",
    "subject": {"reference": "Patient/clark-dan"},
    "code": {"text": "Blood culture"},
    "valueString": "MRSA, preliminary",
}
LAB_REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "lab-report",
    "status": "preliminary",
    "subject": {"reference": "Patient/clark-dan"},
    "code": {"text": "Blood culture"},
}


def strip_and_refuse_the_report(hospital: Hospital, **changes: Any) -> None:
    """Keep findings without identifiers, and take no report but what came before it."""

    def refuse(request: Request) -> Reply:
        entries = request.json().get("entry", [])
        for entry in entries[:1]:
            hospital._put(entry["resource"], None, None)
        for one in hospital.of_type("Observation"):
            one.pop("identifier", None)
            one.update(changes)
        return outcome(422)

    for method in ("POST", "PUT"):
        hospital.trick(method, "^/fhir/?(DiagnosticReport.*)?$", refuse)


def add_lab(hospital: Hospital) -> None:
    hospital.add(CULTURE)
    hospital.add(LAB_REPORT)


def assert_lab_untouched(hospital: Hospital) -> None:
    for place in ("Observation/lab-culture", "DiagnosticReport/lab-report"):
        assert len(hospital.history[place]) == 1


@MODES
def test_a_record_that_ignores_the_identifier_keeps_what_others_found(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    add_lab(hospital)
    hospital.trick("GET", "^/fhir/(Observation|DiagnosticReport)$", ignoring("identifier"))
    for sentence in ("is in the record", "already held"):
        row = jobs.read(launch)
        assert_saved(row)
        assert row.report is not None
        assert sentence in row.report["sentence"]
    assert_lab_untouched(hospital)
    assert len(hospital.of_type("Observation")) == len(hospital.of_type("DiagnosticReport")) == 2


@MODES
def test_what_others_found_is_not_cancelled_when_the_report_is_refused(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def arrive_and_refuse(request: Request) -> Reply | None:
        if b'"DiagnosticReport"' not in request.body:
            return None
        add_lab(hospital)
        return outcome(422)

    hospital.trick("GET", "^/fhir/(Observation|DiagnosticReport)$", ignoring("identifier"))
    for method in ("POST", "PUT"):
        hospital.trick(method, "^/fhir/?(DiagnosticReport.*)?$", arrive_and_refuse)
    row = jobs.read(launch)
    assert hospital.history["Observation/lab-culture"][0]["status"] == "preliminary"
    assert row.report is not None
    assert (row.report["saved"], row.report["report"]) == (False, None)
    ours = [one for one in hospital.of_type("Observation") if one["id"] != "lab-culture"]
    assert [one["status"] for one in ours] == ["cancelled"] * len(ours)
    assert ("marked as cancelled" in row.report["sentence"]) == bool(ours)


@CREATE
@pytest.mark.parametrize("shows_it", [True, False], ids=["with body", "empty"])
@pytest.mark.parametrize("kind", ["Observation", "DiagnosticReport"])
def test_an_entry_that_the_record_names_in_place_of_a_new_one_is_not_taken_for_ours(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    kind: str,
    shows_it: bool,
) -> None:
    add_lab(hospital)
    place = {"Observation": "lab-culture", "DiagnosticReport": "lab-report"}[kind]

    def name_another(_: Request) -> Reply:
        found = hospital._shown(200, hospital.resources[f"{kind}/{place}"])
        return found if shows_it else Reply(200, b"", found.headers)

    hospital.trick("POST", f"^/fhir/{kind}$", name_another)
    row = jobs.read(launch)
    assert_lab_untouched(hospital)
    assert row.report is not None
    assert (row.report["saved"], row.report["report"]) == (False, None)
    assert "lab-culture" not in json.dumps([row.report, *hospital.of_type("DiagnosticReport")])
    ours = [one for one in hospital.of_type("Observation") if one["id"] != "lab-culture"]
    assert [one["status"] for one in ours] == ["cancelled"] * len(ours)


@CREATE
def test_a_finding_without_identifiers_that_the_record_gave_its_id_is_not_taken_for_ours(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    another = CULTURE | {"id": "another-reading", "code": {"coding": [own("class-probability")]}}
    place = hospital.add(another)
    named = hospital._shown(200, hospital.resources[place])
    hospital.trick("POST", "^/fhir/Observation$", named)
    row = jobs.read(launch)
    assert len(hospital.history[place]) == 1
    assert not hospital.of_type("DiagnosticReport")
    assert row.report is not None
    assert row.report["saved"] is False


@CREATE
def test_a_finding_that_only_the_condition_finds_says_what_this_reading_says(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.trick("POST", "^/fhir/DiagnosticReport", outcome(422), times=1)
    jobs.read(launch)
    (left,) = hospital.of_type("Observation")
    assert left["status"] == "cancelled"

    def lag(request: Request) -> None:
        request.query["identifier"] = "not-yet|indexed"

    hospital.trick("GET", "^/fhir/Observation$", lag)
    assert_saved(jobs.read(launch))
    (used,) = hospital.of_type("Observation")
    assert (used["id"], used["status"]) == (left["id"], "preliminary")


@OWN_IDS
def test_a_finding_under_our_id_that_does_not_carry_our_key_is_left_alone(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    jobs.read(launch)
    (finding,) = hospital.of_type("Observation")
    forget_reports(hospital)
    foreign = CULTURE | {"id": finding["id"], "identifier": [{"system": READING_KEY}]}
    place = hospital.add(foreign)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is False
    assert hospital.resources[place]["valueString"] == CULTURE["valueString"]
    assert hospital.resources[place]["status"] == "preliminary"


@OWN_IDS
def test_our_finding_is_withdrawn_where_the_record_does_not_keep_its_identifiers(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    strip_and_refuse_the_report(hospital)
    row = jobs.read(launch)
    assert [one["status"] for one in hospital.of_type("Observation")] == ["cancelled"]
    assert row.report is not None
    assert (row.report["saved"], row.report["report"]) == (False, None)
    assert "marked as cancelled" in row.report["sentence"]
    hospital.tricks.clear()
    assert_saved(jobs.read(launch))
    assert [one["status"] for one in hospital.of_type("Observation")] == ["preliminary"]


@OWN_IDS
@pytest.mark.parametrize(
    ("change", "is_named"),
    [
        ({"identifier": [{"system": READING_KEY, "value": "another"}]}, True),
        ({"code": CULTURE["code"]}, True),
        ({"status": "final"}, True),
        ({"subject": {"reference": "Patient/other"}}, False),
    ],
    ids=str,
)
def test_a_finding_that_is_left_where_ours_would_be_is_named_if_it_is_this_patients(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    change: dict[str, Any],
    is_named: bool,
) -> None:
    strip_and_refuse_the_report(hospital, **change)
    row = jobs.read(launch)
    (left,) = hospital.of_type("Observation")
    assert left["status"] == change.get("status", "preliminary")
    assert row.report is not None
    assert row.report["saved"] is False
    assert ("A finding lies where" in row.report["sentence"]) is is_named


@MODES
def test_somebody_elses_report_is_no_earlier_reading_of_this_study(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    add_lab(hospital)
    hospital.trick("GET", "^/fhir/DiagnosticReport$", ignoring("identifier"))
    assert_saved(jobs.read(launch))
    (ours,) = [one for one in hospital.of_type("DiagnosticReport") if one["id"] != "lab-report"]
    assert "extension" not in ours
    assert "lab-report" not in json.dumps([ours, *hospital.of_type("Provenance")])


@pytest.mark.parametrize("identifiers", [None, {}, "x", [], ["x", None], [{"system": "s"}]])
def test_identifiers_of_any_form_are_read(identifiers: Any) -> None:
    assert not has_identifier({"identifier": identifiers}, "s", "v")
    ours = {"system": "s", "value": "v"}
    with_ours = [*identifiers, ours] if isinstance(identifiers, list) else [ours]
    assert has_identifier({"identifier": with_ours}, "s", "v")


@pytest.mark.parametrize("code", [None, {}, "x", {"coding": "x"}, {"coding": ["x", None, {}]}])
def test_a_code_of_any_form_is_read(code: Any) -> None:
    assert not is_unmarked_finding({"code": code})
    ours = {"coding": [own("class-probability")]}
    assert is_unmarked_finding({"code": ours, "identifier": []})
    assert not is_unmarked_finding({"code": ours, "identifier": [{"system": "s"}]})
    assert not is_unmarked_finding({"code": {"coding": [own("interval-low")]}})
