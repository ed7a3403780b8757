"""How much memory the images of a study take, and what is said of one that takes too much."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from inference.errors import ImageTooLarge
from inference.images import DicomFacts, read_facts
from plugin.imaging.warm_images import BYTES_PER_PIXEL, StudyImage, WarmImages
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, READY
from smart_launch.http import Http, HttpLimits
from tests.plugin.reading.conftest import Jobs, dicom_file
from tests.plugin.reading.hospital import Hospital
from tests.plugin.reading.samples import STUDY_UID
from tests.plugin.reading.test_several_images import list_images, opened, put_image


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


def test_an_image_beyond_the_shared_memory_is_opened_alone(tmp_path: Path) -> None:
    warm = WarmImages(open_bytes=room_for(1), alone_bytes=room_for(1, side=300))
    small = study_image(tmp_path, warm, name="small")
    large = study_image(tmp_path, warm, side=300, name="large")
    with small.opened() as before:
        pass
    done = threading.Event()

    def open_small() -> None:
        with small.opened() as image:
            assert image.pixels is not before.pixels
            done.set()

    waiting = threading.Thread(target=open_small)
    with large.opened() as image:
        assert image.pixels.shape == (300, 300)
        waiting.start()
        assert not done.wait(0.2)
    waiting.join(5)
    assert done.is_set()


def test_a_large_image_waits_until_no_other_is_open(tmp_path: Path) -> None:
    warm = WarmImages(open_bytes=room_for(2), alone_bytes=room_for(2, side=300))
    small, large = (study_image(tmp_path, warm, side=side, name=str(side)) for side in (200, 300))
    done = threading.Event()

    def open_large() -> None:
        with large.opened():
            done.set()

    waiting = threading.Thread(target=open_large)
    with small.opened():
        waiting.start()
        assert not done.wait(0.2)
    waiting.join(5)
    assert done.is_set()


@pytest.mark.integration
def test_an_image_of_the_largest_detectors_is_opened_and_read(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    pixels = (np.arange(4892 * 4020) % 4096).astype("<u2").tobytes()
    put_image(hospital, Rows=4892, Columns=4020, PixelData=pixels)
    larger = Http(HttpLimits(read_s=30, response_bytes=64 * 1024 * 1024))
    object.__setattr__(jobs.runner.shop, "pacs_http", larger)
    assert opened(jobs, launch).state == READY
    assert jobs.read(launch).state == DONE


@pytest.mark.integration
def test_an_image_that_is_too_large_has_words_of_its_own(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    warm = WarmImages(open_bytes=1000, warm_bytes=0, alone_bytes=1000)
    object.__setattr__(jobs.runner.shop, "warm", warm)
    row = jobs.read(launch)
    assert row.problem is not None
    assert row.problem["code"] == "image_too_large"
    assert "too large for Wetread" in row.problem["title"]
    assert "have it sent again" not in row.problem["next_step"]


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
