"""Which studies can be read, and where their images may be fetched from."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.api.study_list import reports_by_study
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import images_mark, read_study_resource
from plugin.imaging.studies import StudyError, find_study, list_studies
from plugin.launching.launches import OpenLaunch
from plugin.workbench import Workbench
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.samples import (
    SERIES_UID,
    archive_rules,
    endpoint,
    imaging_study,
    study,
)

PACS = "https://pacs.example/dicomweb"
STRANGER = "https://stranger.example/dicomweb"


def read(*contained: dict[str, Any], **changes: Any) -> Any:
    references = [{"reference": f"#{entry['id']}"} for entry in contained]
    return study(contained=list(contained), endpoint=references, **changes)


def test_a_contained_endpoint_is_found() -> None:
    assert study().archive.url == PACS
    assert study().why_not is None


def test_a_separate_endpoint_is_found_by_relative_and_absolute_reference() -> None:
    for reference in ("Endpoint/e1", "https://ehr.example/fhir/Endpoint/e1"):
        resource = imaging_study(contained=[], endpoint=[{"reference": reference}])
        found = read_study_resource(
            resource, {"e1": endpoint("e1", PACS)}, archive_rules(), frozenset({"CR"})
        )
        assert found.archive is not None


def test_an_endpoint_of_the_series_is_found() -> None:
    series = imaging_study()["series"][0] | {"endpoint": [{"reference": "#pacs"}]}
    assert study(endpoint=[], series=[series]).archive.url == PACS


def test_of_two_endpoints_the_registered_one_for_wado_is_taken() -> None:
    found = read(endpoint("a", PACS, "dicom-qido-rs"), endpoint("b", STRANGER), endpoint("c", PACS))
    assert found.archive.url == PACS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "entered-in-error"}, "withdrawn"),
        ({"identifier": []}, "no_study_uid"),
        ({"series": [], "numberOfInstances": 0}, "no_series"),
        ({"endpoint": []}, "no_endpoint"),
        ({"endpoint": [{"reference": "Endpoint/missing"}]}, "no_endpoint"),
        ({"contained": [endpoint("pacs", PACS, "dicom-qido-rs")]}, "endpoint_kind"),
        ({"contained": [endpoint("pacs", STRANGER)]}, "endpoint_refused"),
        ({"contained": [endpoint("pacs", PACS) | {"status": "off"}]}, "no_endpoint"),
    ],
)
def test_a_study_that_cannot_be_read_says_why(changes: dict[str, Any], why: str) -> None:
    found = study(**changes)
    assert found.why_not == why
    assert found.why_not_sentence()


def test_a_modality_without_a_model_is_named() -> None:
    series = imaging_study()["series"][0] | {"modality": {"code": "MG"}}
    assert "MG" in (study(series=[series]).why_not_sentence() or "")


def test_without_a_model_the_service_has_not_started() -> None:
    found = read_study_resource(imaging_study(), {}, archive_rules(), frozenset())
    assert found.why_not == "no_model"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://pacs.example/dicomweb", True),
        ("https://ehr.example/dicomweb", True),
        ("http://pacs.example/dicomweb", False),
        ("https://pacs.example:444/dicomweb", False),
        ("https://pacs.example.evil.example/", False),
        ("https://pacs.example@evil.example/", False),
        ("https://user:secret@pacs.example/", False),
        ("https://pacs.example/dicomweb?x=1", False),
        ("https://pacs.example/dicomweb#x", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/latest", False),
        ("https://pacs.example:port/", False),
        ("", False),
    ],
)
def test_only_registered_archives_get_requests(address: str, allowed: bool) -> None:
    assert archive_rules().allows(address) is allowed


def test_plain_http_is_allowed_on_loopback_only_where_registered() -> None:
    rules = ArchiveRules("http://127.0.0.1:1/fhir", ("http://127.0.0.1:2",))
    assert rules.allows("http://127.0.0.1:2/dicomweb")
    assert not rules.allows("http://127.0.0.1:3/dicomweb")


def test_a_secret_address_gets_no_token_and_is_not_shown() -> None:
    flag = {"url": "http://registry.example/requires-access-token", "valueBoolean": False}
    found = read(endpoint("a", f"{PACS}/s3cret") | {"extension": [flag]})
    assert found.archive.wants_token is False
    assert "s3cret" not in repr(found.archive)


def test_the_list_is_newest_first_and_holds_what_cannot_be_read(
    hospital: Hospital, bench: Workbench
) -> None:
    hospital.add(imaging_study(id="new", contained=[], endpoint=[], started="2024-01-01"))
    found = list_studies(bench.record, "clark-dan", bench.archives, {"CR"})
    assert [(one.id, one.why_not) for one in found] == [("new", "no_endpoint"), ("study-1", None)]


def test_the_endpoint_is_read_by_itself_where_the_server_includes_none(
    hospital: Hospital, bench: Workbench
) -> None:
    hospital.trick("GET", "^/fhir/ImagingStudy$", _without_includes(hospital))
    found = find_study(bench.record, "clark-dan", "study-1", bench.archives, {"CR"})
    assert found.study.archive is not None
    assert hospital.asked("GET", "^/fhir/Endpoint/pacs$")


def test_a_server_that_refuses_includes_is_asked_without(
    hospital: Hospital, bench: Workbench
) -> None:
    def refuse(request: Any) -> Any:
        return outcome(400) if "_include" in request.query else None

    hospital.trick("GET", "^/fhir/ImagingStudy$", refuse)
    (found,) = list_studies(bench.record, "clark-dan", bench.archives, {"CR"})
    assert found.archive is not None


def _without_includes(hospital: Hospital) -> Any:
    def trick(request: Any) -> Any:
        request.query.pop("_include", None)

    return trick


def test_a_study_of_another_patient_is_not_found(hospital: Hospital, bench: Workbench) -> None:
    hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})
    with pytest.raises(StudyError, match="no such study"):
        find_study(bench.record, "clark-dan", "study-1", bench.archives, {"CR"})


def test_no_request_goes_to_an_unregistered_archive(
    hospital: Hospital, jobs: Jobs, launch: OpenLaunch
) -> None:
    with Hospital() as stranger:
        hospital.add(endpoint("pacs", f"{stranger.origin}/dicomweb"))
        row = jobs.read(launch)
        assert row.state == "failed"
        assert row.problem is not None
        assert row.problem["code"] == "endpoint_refused"
        assert stranger.requests == []
    assert not hospital.of_type("DiagnosticReport")


def ignoring(*names: str) -> Any:
    """A server that ignores these search parameters."""

    def trick(request: Request) -> None:
        for name in names:
            request.query.pop(name, None)

    return trick


def test_what_another_patient_has_is_not_listed_though_the_server_sends_it(
    bench: Workbench, hospital: Hospital
) -> None:
    foreign = {"subject": {"reference": "Patient/other"}}
    hospital.add(hospital.resources["ImagingStudy/study-1"] | foreign | {"id": "s2"})
    report = {"resourceType": "DiagnosticReport", "status": "final", "conclusion": "OTHER PATIENT"}
    place = {"imagingStudy": [{"reference": "ImagingStudy/study-1"}]}
    hospital.add(report | place | foreign | {"id": "r1"})
    hospital.trick("GET", "^/fhir/(DiagnosticReport|ImagingStudy)$", ignoring("patient", "subject"))
    rules = ArchiveRules(hospital.issuer, ())
    listed = list_studies(bench.record, "clark-dan", rules, ["CR"])
    assert [one.id for one in listed] == ["study-1"]
    assert reports_by_study(bench.record, "clark-dan") == {}


def test_what_hangs_on_a_linked_record_of_the_patient_is_listed(
    bench: Workbench, hospital: Hospital
) -> None:
    link = {"type": "replaces", "other": {"reference": "Patient/old"}}
    hospital.change("Patient/clark-dan", link=[link])
    hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/old"})
    hospital.trick("GET", "^/fhir/ImagingStudy$", ignoring("patient"))
    rules = ArchiveRules(hospital.issuer, ())
    listed = list_studies(bench.record, "clark-dan", rules, ["CR"])
    assert [one.id for one in listed] == ["study-1"]


def test_only_what_the_list_shows_of_a_report_is_asked_for(
    bench: Workbench, hospital: Hospital
) -> None:
    reports_by_study(bench.record, "clark-dan")
    (asked,) = hospital.asked("GET", "^/fhir/DiagnosticReport$")
    elements = asked.query["_elements"].split(",")
    assert "presentedForm" not in elements
    assert {"subject", "imagingStudy", "identifier"} <= set(elements)


def test_a_server_that_refuses_to_send_parts_is_asked_for_the_whole(
    bench: Workbench, hospital: Hospital
) -> None:
    def strict(request: Request) -> Reply | None:
        return outcome(400) if "_elements" in request.query else None

    hospital.trick("GET", "^/fhir/DiagnosticReport$", strict)
    assert reports_by_study(bench.record, "clark-dan") == {}
    assert len(hospital.asked("GET", "^/fhir/DiagnosticReport$")) == 2


def test_where_images_are_listed_only_their_numbers_decide_and_else_every_version() -> None:
    newer = {"meta": {"versionId": "2"}}
    assert images_mark(study()) == images_mark(study(**newer))
    series = {"uid": SERIES_UID, "modality": {"code": "CR"}, "numberOfInstances": 1}
    bare = {"series": [series]}
    assert images_mark(study(**bare)) == images_mark(study(**bare))
    assert images_mark(study(**bare)) != images_mark(study(**bare, **newer))
    half = {"numberOfInstances": 2}
    assert images_mark(study(**half)) != images_mark(study(**half, **newer))


def test_when_the_server_last_stamped_a_study_says_nothing_about_its_images() -> None:
    bare = {"series": [{"uid": SERIES_UID, "modality": {"code": "CR"}, "numberOfInstances": 1}]}
    stamped = {"meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:01Z"}}
    again = {"meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:02Z"}}
    assert images_mark(study(**bare, **stamped)) == images_mark(study(**bare, **again))


def test_without_the_version_counts_and_series_decide_where_images_are_not_listed() -> None:
    def mark(**changes: Any) -> str:
        one = {"uid": SERIES_UID, "modality": {"code": "CR"}, "numberOfInstances": 1} | changes
        return images_mark(study(series=[one], meta=meta), versioned=False)

    meta = {"versionId": "1"}
    before = mark()
    meta = {"versionId": "2"}
    assert mark() == before
    assert before != mark(uid=f"{SERIES_UID}.9")
    assert before != mark(numberOfInstances=2)
