"""Studies of several images: which one was read, and whose it is."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from plugin.api.study_list import latest_readings
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.studies import list_studies
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, READY, Opening, Reading
from plugin.record import Record
from plugin.services import Services
from tests.plugin.reading.conftest import Jobs, assert_stopped_cleanly, dicom_file, open_launch
from tests.plugin.reading.hospital import Hospital, Reply, Request
from tests.plugin.reading.samples import IMAGE_UID, SERIES_UID, STUDY_UID

OTHER_UID = f"{STUDY_UID}.1.2"
DARK = (np.arange(48000) % 400).astype("<u2").tobytes()


def list_images(hospital: Hospital, *uids: str) -> None:
    """Let the record list these images, in this order."""
    series = hospital.resources["ImagingStudy/study-1"]["series"][0]
    listed = {"numberOfInstances": len(uids), "instance": [{"uid": uid} for uid in uids]}
    hospital.change("ImagingStudy/study-1", numberOfInstances=len(uids), series=[series | listed])


def put_image(hospital: Hospital, uid: str = IMAGE_UID, **changes: Any) -> None:
    image = dicom_file(SOPInstanceUID=uid, **changes)
    hospital.images[(STUDY_UID, SERIES_UID, uid)] = image


def opened(jobs: Jobs, launch: OpenLaunch) -> Opening:
    opening_id = jobs.ask_opening(launch)
    jobs.runner.open_study(opening_id)
    found = jobs.runner.openings.get(opening_id)
    assert found is not None
    return found


def shown_reading(services: Services) -> Reading | None:
    """The reading that a new launch of the same patient would be shown."""
    launch = services.launches.get(open_launch(services)[0])
    record = Record(services.tokens, launch.id, launch.ehr.issuer, services.http)
    studies = list_studies(record, "clark-dan", ArchiveRules(launch.ehr.issuer, ()), ["CR"])
    return latest_readings(services.database, launch, studies).get("study-1")


@pytest.mark.integration
def test_a_result_names_its_image_whatever_the_order_is_later(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, services: Services
) -> None:
    put_image(hospital, OTHER_UID, ViewPosition="LL")
    list_images(hospital, IMAGE_UID, OTHER_UID)
    row = jobs.read(launch)
    assert row.result is not None
    list_images(hospital, OTHER_UID, IMAGE_UID)
    again = opened(jobs, services.launches.get(open_launch(services)[0]))
    (read,) = (i for i in again.images if i["sop_instance_uid"] == row.result["sop_instance_uid"])
    assert (read["view"], read["number"], row.result["image"]) == ("PA", 2, 1)


@pytest.mark.integration
def test_report_and_observation_say_which_image_was_read(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    put_image(hospital, OTHER_UID, ViewPosition="LL")
    list_images(hospital, IMAGE_UID, OTHER_UID)
    jobs.read(launch)
    (report,), (observation,) = (
        hospital.of_type("DiagnosticReport"),
        hospital.of_type("Observation"),
    )
    assert "Image 1 of 2 (PA) was read" in report["conclusion"]
    named = [c["valueString"] for c in observation["component"] if "valueString" in c]
    assert named == [f"urn:oid:{IMAGE_UID}"]


@pytest.mark.integration
def test_the_pictures_of_an_older_opening_stay_as_they_were(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    folder = jobs.runner.shop.cache.folder(launch.id, "study-1")
    opened(jobs, launch)
    (values,) = folder.rglob("1.values")
    before = values.read_bytes()
    hospital.images.clear()
    put_image(hospital, OTHER_UID, PixelData=DARK)
    list_images(hospital, OTHER_UID)
    assert opened(jobs, launch).state == READY
    assert values.read_bytes() == before
    assert len(list(folder.rglob("1.values"))) == 2


@pytest.mark.integration
def test_a_retake_in_a_study_that_lists_no_images_is_not_shown_the_old_result(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, services: Services
) -> None:
    series = hospital.resources["ImagingStudy/study-1"]["series"][0]
    bare = [{name: value for name, value in series.items() if name != "instance"}]
    hospital.change("ImagingStudy/study-1", series=bare)
    row = jobs.read(launch)
    shown = shown_reading(services)
    assert shown is not None
    assert shown.id == row.id
    hospital.change("ImagingStudy/study-1", series=bare)
    assert shown_reading(services) is None


@pytest.mark.integration
@pytest.mark.parametrize("server", ["stamps every answer", "leaves it out of searches"])
def test_a_study_that_lists_no_images_is_read_whatever_the_server_does_with_its_version(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, services: Services, server: str
) -> None:
    series = hospital.resources["ImagingStudy/study-1"]["series"][0]
    bare = [{name: value for name, value in series.items() if name != "instance"}]
    hospital.change("ImagingStudy/study-1", series=bare)
    seconds = itertools.count()

    def answer(request: Request) -> Reply:
        return with_other_meta(hospital, request, next(seconds), stamped=server.startswith("st"))

    hospital.trick("GET", "^/fhir/ImagingStudy", answer)
    row = jobs.read(launch)
    assert (row.state, row.problem) == (DONE, None)
    assert len(hospital.of_type("DiagnosticReport")) == 1
    shown = shown_reading(services)
    assert shown is not None
    assert shown.id == row.id


def with_other_meta(hospital: Hospital, request: Request, second: int, *, stamped: bool) -> Reply:
    """Answer as a server that stamps each answer anew, or whose searches give no meta."""
    reply = hospital._fhir(request)
    body = json.loads(reply.body)
    for resource in [entry["resource"] for entry in body.get("entry", [{"resource": body}])]:
        if stamped and resource["resourceType"] == "ImagingStudy":
            resource["meta"] = {"lastUpdated": f"2026-01-01T00:00:{second:02}Z"}
        elif "entry" in body:
            resource.pop("meta", None)
    return Reply(reply.status, json.dumps(body).encode(), reply.headers)


@pytest.mark.integration
def test_an_image_of_the_same_number_and_another_birth_date_is_neither_shown_nor_read(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    put_image(hospital, PatientName="SMITH^JANE", PatientBirthDate="20190203", PatientSex="F")
    opening = opened(jobs, launch)
    assert opening.problem is not None
    assert (opening.problem["code"], opening.images) == ("identity_unverifiable", [])
    assert_stopped_cleanly(jobs.read(launch), hospital, "identity_unverifiable")


@pytest.mark.integration
def test_another_sex_is_said_on_page_and_report(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    put_image(hospital, PatientSex="F")
    assert opened(jobs, launch).images[0]["identity"] == "sex_differs"
    row = jobs.read(launch)
    assert row.result is not None
    assert "sex_differs" in [caution["code"] for caution in row.result["cautions"]]
    (report,) = hospital.of_type("DiagnosticReport")
    assert "another sex than the chart" in report["conclusion"]


@pytest.mark.integration
@pytest.mark.parametrize("number", ["H   1001", "H\u00a01001", "H\t1001"])
def test_a_number_that_only_looks_alike_is_no_match(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, number: str
) -> None:
    system = hospital.resources["Patient/clark-dan"]["identifier"][0]["system"]
    numbers = [{"system": system, "value": "H 1001"}]
    hospital.change("Patient/clark-dan", identifier=numbers)
    put_image(hospital, PatientID=number, SpecificCharacterSet="ISO_IR 100")
    row = jobs.read(launch)
    assert row.problem is not None
    assert row.problem["code"] in ("identity_mismatch", "identity_unverifiable")


@pytest.mark.integration
def test_the_charts_birth_date_counts_where_the_image_states_no_age(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.change("Patient/clark-dan", birthDate="2010-10-19")
    put_image(hospital, PatientAge=None, PatientBirthDate=None, StudyDate="20200301")
    (image,) = opened(jobs, launch).images
    assert image["age"] == pytest.approx(9.4, abs=0.1)


@pytest.mark.integration
def test_the_page_is_told_which_side_is_at_the_left_edge(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    put_image(hospital, OTHER_UID, PatientOrientation=["L", "F"])
    list_images(hospital, IMAGE_UID, OTHER_UID)
    assert [image["left_edge"] for image in opened(jobs, launch).images] == [None, "R"]
