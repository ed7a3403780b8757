"""The gateway in front of a second DICOMweb server, over real sockets on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pydicom
import pytest
from flask import Response

from sandbox.images.demo import demo_file
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox_imaging.conftest import (
    ANY_DICOM,
    CHEST,
    CLIENTS,
    ROSA_CHEST,
    STUDIES,
    ImagingClient,
    imaging_client,
    needs_pydicom_data,
)
from tests.sandbox_imaging.pacs import Pacs
from tests.sandbox_imaging.parts import RELATED, file_bytes, related, small_image


@dataclass
class Gateway:
    hospital: RunningSandbox
    pacs: Pacs
    clark: ImagingClient


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    needs_pydicom_data()
    folder = tmp_path_factory.mktemp("gateway")
    with Pacs(folder / "pacs") as pacs:
        settings = SandboxSettings(folder / "hospital", CLIENTS, port=0, dicomweb_url=pacs.url)
        with RunningSandbox(settings) as server:
            yield Gateway(server, pacs, imaging_client(server))


@pytest.fixture(autouse=True)
def _mended(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.pacs.broken = None


def test_the_demo_studies_lie_in_the_pacs_and_nowhere_else(gateway: Gateway) -> None:
    assert all(gateway.pacs.archive.instances(uid) for uid in STUDIES.values())
    assert not list(gateway.hospital.settings.data_dir.rglob("*.dcm"))


def test_a_study_is_streamed_through_as_it_is_stored(gateway: Gateway) -> None:
    (got,) = gateway.clark.dicomweb.retrieve_study(CHEST, media_types=(("application/dicom", "*"),))
    assert got.PatientID == "H-1001"
    assert got.PixelData == pydicom.dcmread(demo_file("RG1_UNCR.dcm")).PixelData


def test_the_pacs_sees_the_hospitals_credentials_and_never_a_token(gateway: Gateway) -> None:
    gateway.clark.get(f"/studies/{CHEST}", accept=ANY_DICOM)
    method, path, headers = gateway.pacs.seen[-1]
    assert (method, path) == ("GET", f"/dicom-web/studies/{CHEST}?")
    assert headers["Authorization"].startswith("Basic ")
    assert headers["Accept-Encoding"] == "identity"
    assert gateway.clark.token not in str(headers)


def test_a_foreign_study_is_refused_before_the_pacs_is_asked(gateway: Gateway) -> None:
    asked = len(gateway.pacs.seen)
    for rest in ("", "/metadata", "/series", "/instances", "/series/1.2/instances/1.3/frames/1"):
        assert gateway.clark.get(f"/studies/{ROSA_CHEST}{rest}").status_code == 403
    assert len(gateway.pacs.seen) == asked


def test_a_search_shows_only_the_patients_studies_and_pages_through_those(gateway: Gateway) -> None:
    rosa = imaging_client(gateway.hospital, "mayer-rosa")
    everything = rosa.get("/studies").json()
    assert len(everything) == 3
    assert CHEST not in str(everything)
    paged = [rosa.get("/studies", params={"limit": 1, "offset": n}).json() for n in range(3)]
    assert [page[0] for page in paged] == everything
    assert rosa.get("/studies", params={"PatientID": "H-1001"}).status_code == 204


def test_every_address_in_an_answer_is_the_hospitals(gateway: Gateway) -> None:
    base = gateway.clark.base
    (study,) = gateway.clark.get("/studies").json()
    assert study["00081190"]["Value"] == [f"{base}/studies/{CHEST}"]
    (metadata,) = gateway.clark.get(f"/studies/{CHEST}/metadata").json()
    address = metadata["7FE00010"]["BulkDataURI"]
    assert address.startswith(f"{base}/studies/{CHEST}/series/")
    assert "/dicom-web" not in str(metadata)
    (pixels,) = gateway.clark.dicomweb.retrieve_bulkdata(address)
    assert len(pixels) == 1955 * 1841 * 2


def test_frames_and_pictures_come_through(gateway: Gateway) -> None:
    (found,) = gateway.clark.get(f"/studies/{CHEST}/instances").json()
    path = found["00081190"]["Value"][0].removeprefix(gateway.clark.base)
    frame = gateway.clark.get(f"{path}/frames/1", accept="application/octet-stream")
    assert len(frame.content) == 1955 * 1841 * 2
    assert gateway.clark.get(f"{path}/rendered").content.startswith(b"\xff\xd8")


def test_a_406_of_the_pacs_is_a_406_here(gateway: Gateway) -> None:
    jpeg = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'
    assert gateway.clark.get(f"/studies/{CHEST}", accept=jpeg).status_code == 406


def test_storing_goes_through_after_the_hospitals_own_check(gateway: Gateway) -> None:
    image, foreign = small_image(), small_image(PatientID="H-1002")
    body = related([file_bytes(image), file_bytes(foreign)])
    answer = gateway.clark.post("/studies", body, RELATED)
    assert answer.status_code == 202
    assert gateway.pacs.archive.instances(image.StudyInstanceUID)
    assert not gateway.pacs.archive.instances(foreign.StudyInstanceUID)


@pytest.mark.parametrize(
    "broken",
    [
        Response("oops", 500),
        Response("gone elsewhere", 302, {"Location": "http://127.0.0.1:9/steal"}),
        Response("who are you", 401),
        Response("<html>", 200, content_type="text/html"),
        Response('{"not": "a list"}', 200, content_type="application/dicom+json"),
    ],
    ids=["500", "redirect", "401", "html", "other-json"],
)
def test_a_broken_pacs_is_a_502_that_names_no_address(gateway: Gateway, broken: Response) -> None:
    gateway.pacs.broken = broken
    answer = gateway.clark.get(f"/studies/{CHEST}/metadata")
    assert answer.status_code == 502
    assert "127.0.0.1" not in answer.text


def test_charts_open_and_show_thumbnails_out_of_the_pacs(gateway: Gateway) -> None:
    from tests.sandbox_imaging.browserless import Viewer

    viewer = Viewer(gateway.hospital)
    page = viewer.get("/patients/clark-dan/imaging").text
    address = page.split('<img src="', 1)[1].split('"', 1)[0]
    assert viewer.get(address).content.startswith(b"\xff\xd8")


def test_charts_open_although_the_pacs_is_down(gateway: Gateway) -> None:
    from tests.sandbox_imaging.browserless import Viewer

    gateway.pacs.broken = Response("oops", 500)
    page = Viewer(gateway.hospital).get("/patients/clark-dan/imaging")
    assert page.status_code == 200
    assert "Chest X-ray, PA" in page.text
