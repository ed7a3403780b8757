"""The gateway in front of a real Orthanc, where one is installed (Debian: orthanc-dicomweb)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.orthanc.server import Orthanc
from tests.sandbox_imaging.browserless import Viewer
from tests.sandbox_imaging.conftest import (
    ANY_DICOM,
    CHEST,
    CLIENTS,
    ROSA_CHEST,
    imaging_client,
    needs_pydicom_data,
)
from tests.sandbox_imaging.pictures import picture

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def hospital(
    orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    needs_pydicom_data()
    settings = SandboxSettings(
        tmp_path_factory.mktemp("hospital"), CLIENTS, port=0, dicomweb_url=orthanc.dicomweb_url
    )
    with RunningSandbox(settings) as server:
        yield server


def test_search_retrieve_and_bulk_data_come_through(hospital: RunningSandbox) -> None:
    clark = imaging_client(hospital)
    (study,) = clark.get("/studies").json()
    assert study["0020000D"]["Value"] == [CHEST]
    (got,) = clark.dicomweb.retrieve_study(CHEST, media_types=(("application/dicom", "*"),))
    assert (got.PatientID, got.IssuerOfPatientID) == ("H-1001", "HOSPITAL")
    (metadata,) = clark.get(f"/studies/{CHEST}/metadata").json()
    address = metadata["7FE00010"]["BulkDataURI"]
    assert address.startswith(clark.base)
    kinds = ("application/octet-stream",)
    (pixels,) = clark.dicomweb.retrieve_bulkdata(address, media_types=kinds)
    assert pixels == got.PixelData


def test_a_compressed_study_comes_as_stored_and_a_foreign_one_not_at_all(
    hospital: RunningSandbox,
) -> None:
    rosa = imaging_client(hospital, "mayer-rosa")
    assert b"\xff\x4f\xff\x51" in rosa.get(f"/studies/{ROSA_CHEST}", accept=ANY_DICOM).content
    assert imaging_client(hospital).get(f"/studies/{ROSA_CHEST}").status_code == 403


def test_an_upload_lies_in_orthanc_and_shows_in_the_chart(hospital: RunningSandbox) -> None:
    viewer = Viewer(hospital)
    assert viewer.upload("okafor-tunde", "chest.png", picture()).status_code == 201
    page = viewer.get("/patients/okafor-tunde/imaging").text
    address = page.split('<img src="', 1)[1].split('"', 1)[0]
    assert viewer.get(address).content.startswith(b"\xff\xd8")
