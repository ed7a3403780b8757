"""Images that somebody brings into a chart."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from sandbox.images.demo import demo_file
from sandbox.server import RunningSandbox
from tests.sandbox_imaging.browserless import Viewer
from tests.sandbox_imaging.conftest import ANY_DICOM, ImagingClient, imaging_client
from tests.sandbox_imaging.parts import file_bytes, small_image
from tests.sandbox_imaging.pictures import picture, png_claiming

PATIENT = "okafor-tunde"


@pytest.fixture
def viewer(hospital: RunningSandbox) -> Viewer:
    return Viewer(hospital)


@pytest.fixture(scope="module")
def tunde(hospital: RunningSandbox) -> ImagingClient:
    return imaging_client(hospital, PATIENT)


def study_of(hospital: RunningSandbox, answer: object) -> dict:
    return hospital.app.extensions["sandbox"].fhir.read("ImagingStudy", answer.json()["study"])


def image_of(tunde: ImagingClient, study: dict) -> pydicom.Dataset:
    uid = study["identifier"][0]["value"].removeprefix("urn:oid:")
    answer = tunde.get(f"/studies/{uid}", accept=ANY_DICOM)
    start = answer.content.index(b"\r\n\r\n") + 4
    return pydicom.dcmread(io.BytesIO(answer.content[start:]))


def test_a_png_becomes_a_study_that_says_no_more_than_is_known(
    hospital: RunningSandbox, viewer: Viewer, tunde: ImagingClient
) -> None:
    answer = viewer.upload(PATIENT, "chest.png", picture())
    assert answer.status_code == 201, answer.text
    study = study_of(hospital, answer)
    assert study["subject"] == {"reference": "Patient/okafor-tunde"}
    assert "started" not in study
    image = image_of(tunde, study)
    assert (image.PatientID, image.IssuerOfPatientID, image.Modality) == (
        "H-1003",
        "HOSPITAL",
        "DX",
    )
    assert image.ConversionType == "WSD"
    assert image.LossyImageCompression == "00"
    assert (image.ViewPosition, image.BodyPartExamined, image.StudyDate) == ("", "", "")
    for made_up in ("PatientAge", "PixelSpacing", "ImagerPixelSpacing", "PatientOrientation"):
        assert made_up not in image
    assert image.PatientBirthDate == "19720730"
    assert (image.pixel_array[:, 0] == 0).all()
    assert (image.pixel_array[:, -1] == 255).all()


def test_what_the_person_states_is_written_down(
    hospital: RunningSandbox, viewer: Viewer, tunde: ImagingClient
) -> None:
    stated = {"body_part": "CHEST", "view": "AP", "date": "2026-01-02"}
    study = study_of(
        hospital, viewer.upload(PATIENT, "a.jpg", picture("JPEG", quality=95), **stated)
    )
    assert study["started"] == "2026-01-02"
    assert study["series"][0]["bodySite"]["display"] == "Chest"
    image = image_of(tunde, study)
    assert (image.BodyPartExamined, image.ViewPosition) == ("CHEST", "AP")
    assert (image.LossyImageCompression, image.LossyImageCompressionMethod) == ("01", "ISO_10918_1")


@pytest.mark.parametrize(
    ("mode", "modality", "samples", "bits"),
    [("L", "DX", 1, 8), ("grey RGB", "DX", 1, 8), ("I;16", "DX", 1, 16), ("RGB", "OT", 3, 8)],
)
def test_grey_stays_grey_and_colour_is_called_a_picture(
    hospital: RunningSandbox,
    viewer: Viewer,
    tunde: ImagingClient,
    mode: str,
    modality: str,
    samples: int,
    bits: int,
) -> None:
    answer = viewer.upload(PATIENT, "p.png", picture(mode=mode, size=(50, 31)))
    image = image_of(tunde, study_of(hospital, answer))
    assert (image.Modality, image.SamplesPerPixel, image.BitsStored) == (modality, samples, bits)
    assert image.pixel_array.shape[:2] == (31, 50)


def test_the_same_file_twice_is_one_study(viewer: Viewer) -> None:
    data = picture(size=(64, 48))
    first, second = (viewer.upload(PATIENT, "twice.png", data) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["study"] == second.json()["study"]


def test_a_dicom_file_of_a_stranger_is_filed_under_the_chart_and_that_is_said(
    hospital: RunningSandbox, viewer: Viewer, tunde: ImagingClient
) -> None:
    source = demo_file("RG3_J2KI.dcm").read_bytes()
    answer = viewer.upload(PATIENT, "leg.dcm", source)
    assert answer.status_code == 201
    assert "unknown here" in answer.json()["note"]
    image = image_of(tunde, study_of(hospital, answer))
    assert (image.PatientID, image.PatientName) == ("H-1003", "OKAFOR^Tunde")
    assert "OtherPatientIDs" not in image
    assert (image.BodyPartExamined, image.ViewPosition) == ("EXTREMITY", "AP")
    assert image.file_meta.TransferSyntaxUID.is_compressed


def test_files_of_one_dicom_study_become_one_study(
    hospital: RunningSandbox, viewer: Viewer
) -> None:
    shared = {"StudyInstanceUID": generate_uid(), "PatientID": "X-1", "IssuerOfPatientID": None}
    answers = [
        viewer.upload(PATIENT, "a.dcm", file_bytes(small_image(InstanceNumber=n, **shared)))
        for n in (1, 2)
    ]
    assert answers[0].json()["study"] == answers[1].json()["study"]
    study = study_of(hospital, answers[1])
    assert study["numberOfInstances"] == 2


def test_a_dicom_file_of_another_patient_of_the_hospital_is_refused(
    hospital: RunningSandbox, viewer: Viewer
) -> None:
    answer = viewer.upload(PATIENT, "clark.dcm", file_bytes(small_image()))
    assert answer.status_code == 422
    text = answer.json()["problem"]["text"]
    assert "another patient" in text
    assert "CLARK" not in text
    assert "H-1001" not in text


DAMAGED = {
    "empty": b"",
    "junk": b"\x00\x01junk" * 500,
    "html": b"<!doctype html><script>alert(1)</script>",
    "a pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "half a png": picture(size=(400, 300))[:300],
    "half a jpeg": picture("JPEG", size=(400, 300))[:600],
    "a gif": picture("GIF"),
    "dicom cut in its header": file_bytes(small_image())[:180],
    "dicom without an image": file_bytes(small_image(PixelData=None)),
    "png of 60,000 x 60,000": png_claiming(60_000, 60_000),
    "png just over the limit": png_claiming(10_000, 9_000),
    "dicom of 60,000 x 60,000": file_bytes(small_image(PatientID="Z", Rows=60_000, Columns=60_000)),
    "dicom of 0 x 8": file_bytes(small_image(PatientID="Z", Rows=0)),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_whole_image_is_refused_in_words_and_leaves_nothing(
    hospital: RunningSandbox, viewer: Viewer, data: bytes
) -> None:
    def traces() -> tuple[int, int]:
        files = [p for p in Path(hospital.settings.data_dir).rglob("*.dcm") if p.is_file()]
        page = hospital.app.extensions["sandbox"].fhir.search("ImagingStudy", [("_count", "200")])
        return len(files), len(page.matches)

    before = traces()
    answer = viewer.upload(PATIENT, "x.png", data)
    assert answer.status_code == 422
    assert answer.json()["problem"]["text"].endswith(".")
    assert traces() == before


def test_a_file_over_the_limit_is_refused_by_its_size(viewer: Viewer) -> None:
    class Large:
        """Says how long it is, and sends nothing."""

        def __len__(self) -> int:
            return 200 * 1024 * 1024

        def __iter__(self):
            yield b"--x\r\n"

    headers = {"Origin": viewer.base, "Content-Type": "multipart/form-data; boundary=x"}
    try:
        answer = viewer.session.post(
            f"{viewer.base}/viewer/patients/{PATIENT}/images",
            data=Large(),
            headers=headers,
            timeout=10,
        )
    except OSError:
        pytest.skip("the client gave up before the answer came")
    assert answer.status_code == 413
    assert "MiB" in answer.json()["problem"]["text"]


@pytest.mark.parametrize(
    "stated",
    [{"view": "<script>"}, {"body_part": "SOUL"}, {"date": "2026-02-30"}, {"date": "2999-01-01"}],
)
def test_statements_that_the_form_does_not_offer_are_refused(
    viewer: Viewer, stated: dict[str, str]
) -> None:
    assert viewer.upload(PATIENT, "s.png", picture(size=(33, 33)), **stated).status_code == 422


def test_an_upload_for_nobody_is_a_404(viewer: Viewer) -> None:
    assert viewer.upload("no-such-patient", "a.png", picture()).status_code == 404


def test_an_upload_from_another_origin_or_without_the_viewer_is_refused(
    hospital: RunningSandbox, viewer: Viewer
) -> None:
    path = f"/viewer/patients/{PATIENT}/images"
    files = {"file": ("a.png", picture())}
    assert viewer.post(path, origin="http://127.0.0.1:9999", files=files).status_code == 403
    viewer.session.cookies.clear()
    assert viewer.post(path, files=files).status_code == 401
