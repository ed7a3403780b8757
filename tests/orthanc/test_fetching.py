"""The plugin's own fetching against a real Orthanc that modalities send to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pydicom
import pytest
import requests
from pydicom.dataset import Dataset

from inference.images import read_image
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.imaging_study import Study
from plugin.imaging.pacs import Pacs
from plugin.imaging.pacs_errors import ImageMissing, PacsUnavailable
from plugin.imaging.study_images import FetchedStudy, fetch_study
from smart_launch.http import HttpLimits
from tests.orthanc.cutting import cutting_proxy
from tests.orthanc.door import PasswordHttp, study_at
from tests.orthanc.modality import scan, send
from tests.orthanc.server import Orthanc, running_orthanc

pytestmark = pytest.mark.integration
MEGABYTE = 1024**2


def uids(images: Sequence[Dataset]) -> list[str]:
    return [str(one.SOPInstanceUID) for one in images]


def found(fetched: FetchedStudy) -> list[str | None]:
    return [one.sop_instance_uid for one in fetched.facts]


def fetch(orthanc: Orthanc, study: Study, folder: Path) -> FetchedStudy:
    assert study.why_not is None
    http = PasswordHttp(orthanc, HttpLimits(attempts=1, total_s=10))
    cache = ImageCache(folder)
    kinds = {str(one.modality) for one in study.series}
    allowance = Allowance(500, 50 * MEGABYTE, 500 * MEGABYTE)
    try:
        return fetch_study(
            study,
            lambda archive: Pacs(http, archive, lambda _: "token"),
            cache,
            cache.folder("launch", study.id),
            kinds,
            allowance,
        )
    finally:
        http.close()


@pytest.fixture
def slices(orthanc: Orthanc) -> list[Dataset]:
    """Two series of twelve slices, sent by C-STORE."""
    images = scan(12, series=2)
    send(orthanc, images)
    return images


@pytest.fixture
def dicomweb(orthanc: Orthanc) -> str:
    return f"{orthanc.origin}/dicom-web"


def test_what_a_modality_sends_is_listed_and_read_in_the_order_of_the_record(
    orthanc: Orthanc, dicomweb: str, slices: list[Dataset], tmp_path: Path
) -> None:
    fetched = fetch(orthanc, study_at(dicomweb, slices), tmp_path)
    assert found(fetched) == uids(slices)
    for path, sent in zip(fetched.files, slices, strict=True):
        assert pydicom.dcmread(path).PixelData == sent.PixelData


def test_a_study_whose_record_lists_no_images_is_held_against_orthancs_own_list(
    orthanc: Orthanc, dicomweb: str, slices: list[Dataset], tmp_path: Path
) -> None:
    study = study_at(dicomweb, slices, listed=False)
    assert set(found(fetch(orthanc, study, tmp_path / "all"))) == set(uids(slices))
    _delete(orthanc, slices[3])
    with pytest.raises(ImageMissing):
        fetch(orthanc, study, tmp_path / "one less")


def test_an_image_that_orthanc_lost_is_missed_by_name(
    orthanc: Orthanc, dicomweb: str, slices: list[Dataset], tmp_path: Path
) -> None:
    _delete(orthanc, slices[20])
    with pytest.raises(ImageMissing):
        fetch(orthanc, study_at(dicomweb, slices), tmp_path)
    kept = [one for one in slices if one is not slices[20]]
    assert found(fetch(orthanc, study_at(dicomweb, kept), tmp_path)) == uids(kept)


def _delete(orthanc: Orthanc, image: Dataset) -> None:
    (name,) = orthanc.rest("POST", "/tools/lookup", data=image.SOPInstanceUID).json()
    orthanc.rest("DELETE", f"/instances/{name['ID']}")


@pytest.mark.parametrize("compressed", ["RG1_J2KR.dcm", "693_J2KR.dcm"])
def test_jpeg_2000_comes_as_it_is_stored_and_is_decoded_here(
    orthanc: Orthanc, dicomweb: str, tmp_path: Path, compressed: str
) -> None:
    if pydicom.data.get_testdata_file(compressed) is None:
        pytest.skip("pydicom-data (the demo extra) is not installed")
    (sent,) = scan(1, compressed)
    send(orthanc, [sent])
    (path,) = fetch(orthanc, study_at(dicomweb, [sent]), tmp_path).files
    stored = pydicom.dcmread(path)
    assert stored.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert stored.PixelData == sent.PixelData
    plain = pydicom.data.get_testdata_file(compressed.replace("J2KR", "UNCR"))
    assert (read_image(path).stored == read_image(Path(str(plain))).stored).all()


@pytest.mark.parametrize("listed", [True, False], ids=["record lists", "Orthanc lists"])
def test_an_answer_that_breaks_off_is_completed_image_by_image(
    orthanc: Orthanc, slices: list[Dataset], tmp_path: Path, listed: bool
) -> None:
    # A list of images is shorter than that, a series of twelve slices longer.
    with cutting_proxy(orthanc.http_port, after_bytes=200_000, times=2) as proxy:
        study = study_at(f"{proxy.origin}/dicom-web", slices, listed=listed)
        fetched = fetch(orthanc, study, tmp_path)
    assert sorted(found(fetched)) == sorted(uids(slices))
    assert proxy.cut == 2


def test_while_orthanc_is_away_the_images_may_come_later(tmp_path: Path, orthanc: Orthanc) -> None:
    images = scan(3)
    with running_orthanc(tmp_path / "pacs") as first:
        send(first, images)
    study = study_at(f"{first.origin}/dicom-web", images)
    with pytest.raises(PacsUnavailable) as caught:
        fetch(first, study, tmp_path)
    assert caught.value.retryable
    with running_orthanc(tmp_path / "pacs", http_port=first.http_port) as again:
        assert found(fetch(again, study, tmp_path)) == uids(images)


def test_orthanc_gives_nothing_without_its_password(orthanc: Orthanc) -> None:
    address = f"{orthanc.origin}/dicom-web/studies"
    for account in (None, (orthanc.user, "guess"), ("orthanc", "orthanc")):
        assert requests.get(address, auth=account, timeout=10).status_code == 401


def test_orthanc_takes_images_from_the_senders_that_it_knows_only(orthanc: Orthanc) -> None:
    with pytest.raises(RuntimeError, match="must"):
        send(orthanc, scan(1), sender="STRANGER")


@pytest.fixture(autouse=True)
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    """Whatever happened, nothing half is kept."""
    yield
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("fetching-*"))
