"""One reading from row to report, against a hospital that behaves."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE
from plugin.services import Services
from plugin.workbench import Workshop
from tests.plugin.reading.conftest import MODES, Jobs, dicom_file, open_launch
from tests.plugin.reading.hospital import Hospital
from tests.plugin.reading.samples import SERIES_UID, STUDY_UID
from tests.plugin.reading.test_report import assert_valid

pytestmark = pytest.mark.integration


@MODES
def test_a_reading_ends_with_one_report_that_is_read_back(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    row = jobs.read(launch)
    assert (row.state, row.problem) == (DONE, None)
    (report,) = hospital.of_type("DiagnosticReport")
    (observation,) = hospital.of_type("Observation")
    (provenance,) = hospital.of_type("Provenance")
    for resource in (report, observation, provenance):
        assert_valid(resource)
    assert row.report is not None
    assert row.report["saved"] is True
    assert row.report["report"] == f"DiagnosticReport/{report['id']}"
    assert report["result"] == [{"reference": f"Observation/{observation['id']}"}]
    targets = {entry["reference"] for entry in provenance["target"]}
    assert targets == {f"DiagnosticReport/{report['id']}", f"Observation/{observation['id']}"}
    assert observation["valueQuantity"]["value"] == pytest.approx(0.5, abs=0.01)
    assert row.result is not None
    assert row.result["probability"] == pytest.approx(0.5, abs=0.01)
    assert [step["state"] for step in row.steps] == ["done"] * 5
    assert set(row.timings_ms) == {step["name"] for step in row.steps}


@MODES
def test_a_second_reading_of_the_same_images_changes_nothing(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    first = jobs.read(launch)
    before = dict(hospital.resources)
    second = jobs.read(launch)
    assert hospital.resources == before
    assert first.id != second.id
    assert first.report is not None
    assert second.report is not None
    assert second.report["report"] == first.report["report"]
    assert "already held" in second.report["sentence"]


def test_new_images_make_a_new_report_that_is_linked_to_the_old_one(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    jobs.read(launch)
    (old,) = hospital.of_type("DiagnosticReport")
    new_uid = f"{STUDY_UID}.1.2"
    hospital.images[(STUDY_UID, SERIES_UID, new_uid)] = dicom_file(SOPInstanceUID=new_uid)
    series = hospital.resources["ImagingStudy/study-1"]["series"][0]
    instances = [*series["instance"], {"uid": new_uid}]
    changed = series | {"instance": instances, "numberOfInstances": 2}
    hospital.change("ImagingStudy/study-1", series=[changed], numberOfInstances=2)
    jobs.read(launch)
    kept, new = hospital.of_type("DiagnosticReport")
    assert kept == old
    link = new["extension"][0]["valueReference"]["reference"]
    assert link == f"DiagnosticReport/{old['id']}"


@pytest.mark.parametrize("ehr_changes", [{"write": "none"}], ids=str)
def test_where_nothing_may_be_written_the_result_is_shown_and_not_said_to_be_saved(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.result is not None
    assert row.report is not None
    assert row.report["saved"] is False
    assert "only shown" in row.report["sentence"]
    assert not hospital.asked("POST", "/fhir")
    assert not hospital.asked("PUT", "/fhir")


def test_without_the_scopes_to_write_nothing_is_tried(
    jobs: Jobs, hospital: Hospital, services: Services
) -> None:
    scopes = ("patient/Patient.r", "patient/ImagingStudy.rs", "patient/DiagnosticReport.rs")
    launch = services.launches.get(open_launch(services, granted=scopes)[0])
    row = jobs.read(launch)
    assert row.state == DONE
    assert row.report is not None
    assert row.report["saved"] is False
    assert "does not allow" in row.report["sentence"]
    assert not hospital.asked("POST", "/fhir$")


def test_without_the_provenance_scope_the_report_is_written_alone(
    jobs: Jobs, hospital: Hospital, services: Services
) -> None:
    scopes = [
        "patient/Patient.r",
        "patient/ImagingStudy.rs",
        "patient/DiagnosticReport.crus",
        "patient/Observation.crus",
    ]
    launch = services.launches.get(open_launch(services, granted=tuple(scopes))[0])
    assert jobs.read(launch).state == DONE
    assert len(hospital.of_type("DiagnosticReport")) == 1
    assert not hospital.of_type("Provenance")


def test_the_reading_uses_what_the_opening_fetched(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, shop: Workshop
) -> None:
    opening_id = jobs.ask_opening(launch)
    jobs.runner.open_study(opening_id)
    opening = jobs.runner.openings.get(opening_id)
    assert opening is not None
    assert (opening.state, opening.problem) == ("ready", None)
    (image,) = opening.images
    assert (image["rows"], image["columns"], image["view"]) == (240, 200, "PA")
    assert image["identity"] == "match"
    folder = shop.cache.folder(launch.id, "study-1")
    (picture,) = folder.rglob("1.jpg")
    assert picture.read_bytes()[:2] == b"\xff\xd8"
    assert picture.with_suffix(".values").stat().st_size == 240 * 200 * 2
    fetched = len(hospital.asked("GET", "/dicomweb/"))
    assert jobs.read(launch).state == DONE
    assert len(hospital.asked("GET", "/dicomweb/")) == fetched == 1


def test_an_opening_and_a_reading_at_once_fetch_once(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    opening, reading = jobs.ask_opening(launch), jobs.ask(launch)
    threads = [
        threading.Thread(target=jobs.runner.open_study, args=(opening,)),
        threading.Thread(target=jobs.runner.read, args=(reading,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs.row(reading).state == DONE
    opened = jobs.runner.openings.get(opening)
    assert opened is not None
    assert opened.state == "ready"
    assert len(hospital.asked("GET", "/dicomweb/")) == 1


def test_two_readings_at_once_write_one_report(
    jobs: Jobs, hospital: Hospital, services: Services
) -> None:
    launches = [services.launches.get(open_launch(services)[0]) for _ in range(3)]
    readings = [jobs.ask(one) for one in launches]
    threads = [threading.Thread(target=jobs.runner.read, args=(one,)) for one in readings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    references = {(jobs.row(one).report or {}).get("report") for one in readings}
    assert len(references) == 1
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind


def test_images_are_fetched_again_when_the_study_has_changed(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    jobs.read(launch)
    hospital.change("ImagingStudy/study-1", description="corrected")
    jobs.read(launch)
    assert len(hospital.asked("GET", "/dicomweb/")) == 2


def test_the_token_goes_to_the_archive_and_asks_for_the_stored_syntax(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    jobs.read(launch)
    (asked,) = hospital.asked("GET", "/dicomweb/")
    assert asked.headers["authorization"] == "Bearer token-0"
    assert "transfer-syntax=*" in asked.headers["accept"]
    assert asked.headers["accept-encoding"] == "identity"


def test_an_expired_token_is_renewed_in_mid_reading(
    jobs: Jobs, hospital: Hospital, services: Services
) -> None:
    launch = services.launches.get(open_launch(services, refresh="refresh-0")[0])
    hospital.trick("GET", "^/dicomweb/", _forget_tokens(hospital), times=1)
    row = jobs.read(launch)
    assert (row.state, row.problem) == (DONE, None)
    assert len(hospital.of_type("DiagnosticReport")) == 1


def _forget_tokens(hospital: Hospital) -> Any:
    def trick(_: object) -> None:
        hospital.tokens.clear()

    return trick
