"""STOW-RS (PS3.18 section 10.5) over a real socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from sandbox.server import RunningSandbox
from tests.sandbox_imaging.conftest import ROSA_CHEST, ImagingClient, imaging_client
from tests.sandbox_imaging.parts import RELATED, file_bytes, related, small_image


def stored_files(hospital: RunningSandbox) -> set[Path]:
    return set((hospital.settings.data_dir / "dicom").rglob("*.dcm"))


def left_over(hospital: RunningSandbox) -> list[Path]:
    return [p for p in (hospital.settings.data_dir / "incoming").rglob("*") if p.is_file()]


def reasons(answer: dict) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer["00081198"]["Value"]]


def test_an_image_of_the_launchs_patient_is_stored_and_found(
    hospital: RunningSandbox, clark: ImagingClient, all_seeing: ImagingClient
) -> None:
    image = small_image()
    answer = clark.dicomweb.store_instances([image])
    assert answer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    path = f"/studies/{image.StudyInstanceUID}"
    (found,) = all_seeing.get(f"{path}/instances").json()
    assert found["00080018"]["Value"] == [image.SOPInstanceUID]
    assert not left_over(hospital)


def test_the_same_image_again_is_fine_and_another_under_its_uid_is_not(
    clark: ImagingClient,
) -> None:
    image = small_image()
    body = related([file_bytes(image)])
    assert clark.post("/studies", body, RELATED).status_code == 200
    assert clark.post("/studies", body, RELATED).status_code == 200
    image.PatientComments = "changed"
    again = clark.post("/studies", related([file_bytes(image)]), RELATED)
    assert again.status_code == 409
    assert reasons(again.json()) == [0x0111]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PatientID": "H-1002"}, 0x0124),  # another patient of the hospital
        ({"PatientID": "H-9999"}, 0x0124),
        ({"PatientID": None}, 0x0124),
        ({"PatientID": "H-1001|x"}, 0x0124),
        ({"IssuerOfPatientID": "ELSEWHERE"}, 0x0124),
        ({"IssuerOfPatientID": None}, 0x0124),
        ({"StudyInstanceUID": ROSA_CHEST}, 0x0124),  # another patient's study
        ({"StudyInstanceUID": None}, 0xA900),
        ({"SeriesInstanceUID": "../../x"}, 0xA900),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_an_image_that_is_not_the_patients_own_is_refused(
    hospital: RunningSandbox, clark: ImagingClient, changes: dict[str, str], reason: int
) -> None:
    before = stored_files(hospital)
    answer = clark.post("/studies", related([file_bytes(small_image(**changes))]), RELATED)
    assert answer.status_code == 409
    assert reasons(answer.json()) == [reason]
    assert stored_files(hospital) == before


def test_good_and_bad_parts_are_answered_one_by_one(clark: ImagingClient) -> None:
    good, foreign = small_image(), small_image(PatientID="H-1002")
    body = related([file_bytes(foreign), b"no DICOM at all", file_bytes(good)])
    answer = clark.post("/studies", body, RELATED)
    assert answer.status_code == 202
    assert reasons(answer.json()) == [0x0124, 0xC000]
    (stored,) = answer.json()["00081199"]["Value"]
    assert stored["00081155"]["Value"] == [good.SOPInstanceUID]


def test_an_image_of_another_study_than_the_addresss_is_refused(clark: ImagingClient) -> None:
    body = related([file_bytes(small_image())])
    answer = clark.post(f"/studies/{generate_uid()}", body, RELATED)
    assert answer.status_code == 409
    assert reasons(answer.json()) == [0xA900]


def test_a_body_that_is_cut_short_stores_nothing(
    hospital: RunningSandbox, clark: ImagingClient
) -> None:
    before = stored_files(hospital)
    whole = related([file_bytes(small_image()), file_bytes(small_image())])
    for length in (len(whole) - 20, len(whole) // 2, 30, 0):
        assert clark.post("/studies", whole[:length], RELATED).status_code == 400
    assert stored_files(hospital) == before
    assert not left_over(hospital)


def test_a_connection_that_breaks_in_the_middle_stores_nothing(
    hospital: RunningSandbox, clark: ImagingClient
) -> None:
    before = stored_files(hospital)
    whole = related([file_bytes(small_image()), file_bytes(small_image())])
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RELATED}\r\n"
        f"Authorization: Bearer {clark.token}\r\nContent-Length: {len(whole)}\r\n\r\n"
    )
    with socket.create_connection((hospital.settings.host, hospital.settings.port)) as broken:
        broken.sendall(head.encode() + whole[: len(whole) // 2 + 200])
        broken.shutdown(socket.SHUT_WR)
        broken.settimeout(10)
        assert b" 400 " in broken.recv(200)
    assert stored_files(hospital) == before
    assert not left_over(hospital)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ("multipart/form-data; boundary=a-boundary", 415),
        ('multipart/related; type="application/dicom+json"; boundary=a-boundary', 415),
        ('multipart/related; type="application/dicom"', 400),
        (f'multipart/related; type="application/dicom"; boundary={"x" * 71}', 400),
        (RELATED, 400),  # a boundary that never comes
    ],
)
def test_a_body_of_another_kind_is_refused(
    clark: ImagingClient, content_type: str, status: int
) -> None:
    assert clark.post("/studies", b"--other\r\n\r\n", content_type).status_code == status


def test_a_part_that_is_no_dicom_by_its_own_word_is_refused(clark: ImagingClient) -> None:
    body = related([file_bytes(small_image())], kind="text/html")
    assert clark.post("/studies", body, RELATED).status_code == 409


def test_a_truncated_file_in_a_whole_body_is_refused(clark: ImagingClient) -> None:
    answer = clark.post("/studies", related([file_bytes(small_image())[:200]]), RELATED)
    assert answer.status_code == 409


def test_storing_needs_the_right_to_create(hospital: RunningSandbox) -> None:
    reader = imaging_client(hospital, scope="launch patient/ImagingStudy.rs")
    body = related([file_bytes(small_image())])
    assert reader.post("/studies", body, RELATED).status_code == 403


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    from sandbox.settings import SandboxSettings
    from tests.sandbox_imaging.conftest import CLIENTS

    image = small_image()
    for first in (True, False):
        settings = SandboxSettings(tmp_path, CLIENTS, port=0)
        with RunningSandbox(settings) as server:
            client = imaging_client(
                server, scope="launch user/ImagingStudy.cruds", client="everything"
            )
            if first:
                client.post("/studies", related([file_bytes(image)]), RELATED)
            assert client.get(f"/studies/{image.StudyInstanceUID}/metadata").status_code == 200
