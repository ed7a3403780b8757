"""WADO-RS (PS3.18 section 10.4) over a real socket."""

from __future__ import annotations

import io

import pydicom
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from sandbox.images.demo import demo_file
from tests.sandbox_imaging.conftest import ANY_DICOM, CHEST, ROSA_CHEST, ImagingClient


def instance_path(client: ImagingClient, study: str) -> str:
    (found,) = client.get(f"/studies/{study}/instances").json()
    series, sop = (found[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    return f"/studies/{study}/series/{series}/instances/{sop}"


def test_a_study_comes_with_the_hospitals_identity_and_the_real_pixels(
    clark: ImagingClient,
) -> None:
    (got,) = clark.dicomweb.retrieve_study(CHEST, media_types=(("application/dicom", "*"),))
    assert (got.PatientID, got.IssuerOfPatientID) == ("H-1001", "HOSPITAL")
    assert (got.PatientName, got.PatientBirthDate, got.PatientSex) == ("CLARK^Dan", "19301019", "M")
    assert (got.BodyPartExamined, got.ViewPosition, got.Modality) == ("CHEST", "PA", "CR")
    assert "PatientAge" not in got
    source = pydicom.dcmread(demo_file("RG1_UNCR.dcm"))
    assert got.PixelData == source.PixelData
    assert got.StudyInstanceUID != source.StudyInstanceUID


def test_a_compressed_image_is_sent_as_it_is_stored(rosa: ImagingClient) -> None:
    answer = rosa.get(f"/studies/{ROSA_CHEST}", accept=ANY_DICOM)
    assert answer.status_code == 200
    assert f"transfer-syntax={JPEG2000Lossless}".encode() in answer.content[:300]
    (got,) = rosa.dicomweb.retrieve_study(ROSA_CHEST, media_types=(("application/dicom", "*"),))
    assert got.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert got.PixelData == pydicom.dcmread(demo_file("RG1_J2KR.dcm")).PixelData


def test_who_names_no_transfer_syntax_gets_the_default_one(rosa: ImagingClient) -> None:
    answer = rosa.get(
        f"/studies/{ROSA_CHEST}", accept='multipart/related; type="application/dicom"'
    )
    assert f"transfer-syntax={ExplicitVRLittleEndian}".encode() in answer.content[:300]
    start = answer.content.index(b"\r\n\r\n") + 4
    plain = pydicom.dcmread(io.BytesIO(answer.content[start:]))
    assert plain.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert len(plain.PixelData) == plain.Rows * plain.Columns * 2


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        'multipart/related; type="application/octet-stream"',
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50',
        "application/dicom",  # a whole study does not fit into one part
    ],
)
def test_what_cannot_be_sent_as_accepted_is_a_406(rosa: ImagingClient, accept: str) -> None:
    assert rosa.get(f"/studies/{ROSA_CHEST}", accept=accept).status_code == 406


def test_one_instance_can_come_without_multipart(clark: ImagingClient) -> None:
    path = instance_path(clark, CHEST)
    answer = clark.get(path, accept="application/dicom; transfer-syntax=*")
    assert answer.headers["Content-Type"].startswith("application/dicom;")
    assert pydicom.dcmread(io.BytesIO(answer.content)).PatientID == "H-1001"


def test_metadata_lead_to_the_pixels_instead_of_holding_them(clark: ImagingClient) -> None:
    (metadata,) = clark.get(f"/studies/{CHEST}/metadata").json()
    assert metadata["00100020"]["Value"] == ["H-1001"]
    address = metadata["7FE00010"]["BulkDataURI"]
    assert address.startswith(f"{clark.base}{instance_path(clark, CHEST)}/")
    pixels = clark.get(address.removeprefix(clark.base), accept="application/octet-stream")
    assert pixels.content == pydicom.dcmread(demo_file("RG1_UNCR.dcm")).PixelData
    assert clark.dicomweb.retrieve_bulkdata(address) == [pixels.content]


def test_a_frame_comes_alone(clark: ImagingClient) -> None:
    path = instance_path(clark, CHEST)
    answer = clark.get(f"{path}/frames/1", accept="application/octet-stream")
    assert len(answer.content) == 1955 * 1841 * 2
    assert clark.get(f"{path}/frames/2").status_code == 404
    assert clark.get(f"{path}/frames/0").status_code == 404
    assert clark.get(f"{path}/frames/x").status_code == 400


def test_a_compressed_frame_is_the_bare_stream(rosa: ImagingClient) -> None:
    path = instance_path(rosa, ROSA_CHEST)
    frame = rosa.get(f"{path}/frames/1", accept="application/octet-stream").content
    assert frame.startswith(b"\xff\x4f\xff\x51")  # start of a JPEG 2000 codestream


def test_a_rendered_instance_is_a_jpeg_with_bright_bones(clark: ImagingClient) -> None:
    answer = clark.get(f"{instance_path(clark, CHEST)}/rendered")
    picture = Image.open(io.BytesIO(answer.content)).convert("L")
    assert max(picture.size) == 1600
    # The image is MONOCHROME1: drawn rightly, the spine is brighter than the lung beside it.
    width, height = picture.size
    spine = picture.getpixel((width // 2, height // 3))
    lung = picture.getpixel((int(width * 0.3), height // 3))
    assert spine > lung + 20


def test_what_is_not_stored_is_a_404(all_seeing: ImagingClient) -> None:
    assert all_seeing.get("/studies/1.2.3").status_code == 404
    assert all_seeing.get(f"/studies/{CHEST}/series/1.2.3").status_code == 404
    path = instance_path(all_seeing, CHEST)
    assert all_seeing.get(f"{path}/bulkdata/00100010").status_code == 404
