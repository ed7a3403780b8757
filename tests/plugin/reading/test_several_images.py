"""Studies of several images: which one was read, whose it is, and how much memory they take."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import ImageTooLarge
from inference.images import DicomFacts, read_facts
from plugin.api.study_list import latest_readings
from plugin.imaging.imaging_study import ArchiveRules
from plugin.imaging.studies import list_studies
from plugin.imaging.warm_images import BYTES_PER_PIXEL, StudyImage, WarmImages
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, READY, Opening, Reading
from plugin.record import Record
from plugin.services import Services
from tests.plugin.reading.conftest import Jobs, assert_stopped_cleanly, dicom_file, open_launch
from tests.plugin.reading.hospital import Hospital
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


def study_image(folder: Path, warm: WarmImages, side: int = 200, name: str = "a") -> StudyImage:
    path = folder / f"{name}.dcm"
    pixels = (np.arange(side * side) % 4096).astype("<u2").tobytes()
    path.write_bytes(dicom_file(Rows=side, Columns=side, PixelData=pixels))
    return StudyImage(path, read_facts(path), warm)


def room_for(images: int, side: int = 200) -> int:
    return images * (side * side * (BYTES_PER_PIXEL + 2) + 4096)


def test_an_image_beyond_the_memory_of_a_worker_is_refused_before_it_is_decoded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "no.dcm"
    path.write_bytes(b"never looked at")
    warm = WarmImages()
    huge = DicomFacts(rows=6000, columns=6000)
    with pytest.raises(ImageTooLarge, match="one image of this study needs more"):
        StudyImage(path, huge, warm).opened().__enter__()


def test_jobs_wait_for_each_others_memory(tmp_path: Path) -> None:
    warm = WarmImages(open_bytes=room_for(1))
    first, second = (study_image(tmp_path, warm, name=name) for name in "ab")
    done = threading.Event()

    def open_second() -> None:
        with second.opened():
            done.set()

    waiting = threading.Thread(target=open_second)
    with first.opened():
        waiting.start()
        assert not done.wait(0.2)
    waiting.join(5)
    assert done.is_set()


def test_memory_is_given_back_when_an_image_is_damaged(tmp_path: Path) -> None:
    warm = WarmImages(open_bytes=room_for(1))
    damaged = study_image(tmp_path, warm)
    damaged.path.write_bytes(damaged.path.read_bytes()[:-9000])
    for _ in range(3):
        with pytest.raises(Exception, match="cut short"), damaged.opened():
            pass


def test_what_was_just_shown_is_decoded_once_and_old_images_are_let_go(tmp_path: Path) -> None:
    warm = WarmImages(open_bytes=room_for(2), warm_bytes=200 * 200 * 6)
    first, second = (study_image(tmp_path, warm, name=name) for name in "ab")
    with first.opened() as image:
        shown = image.pixels
    with first.opened() as image:
        assert image.pixels is shown
    with second.opened(), first.opened() as image:
        assert image.pixels is not shown


@pytest.mark.integration
def test_a_study_of_many_large_images_is_opened_and_read_one_image_at_a_time(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    uids = [f"{STUDY_UID}.1.{number}" for number in range(1, 9)]
    for uid in uids:
        put_image(hospital, uid)
    list_images(hospital, *uids)
    warm = WarmImages(open_bytes=240 * 200 * (BYTES_PER_PIXEL + 2) + 4096, warm_bytes=0)
    object.__setattr__(jobs.runner.shop, "warm", warm)
    opening = opened(jobs, launch)
    assert (opening.state, len(opening.images)) == (READY, 8)
    assert jobs.read(launch).state == DONE
