"""A folder of X-rays turned into patients with studies (``--images``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox_imaging.browserless import Viewer
from tests.sandbox_imaging.conftest import CLIENTS
from tests.sandbox_imaging.parts import file_bytes, small_image
from tests.sandbox_imaging.pictures import picture, png_claiming


def fill(folder: Path) -> None:
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "two.jpeg").write_bytes(picture("JPEG", size=(60, 40)))
    (folder / "a <b>bold.png").write_bytes(picture())
    (folder / "c.txt").write_text("not an image")
    (folder / "d.png").write_bytes(b"not a picture either")
    (folder / "e.png").write_bytes(png_claiming(60_000, 60_000))
    shared = {"PatientID": "OLD-1", "PatientName": "Real^Name", "PatientSex": "F"}
    shared |= {"PatientBirthDate": "19500102", "ViewPosition": "AP", "BodyPartExamined": "CHEST"}
    for number, name in enumerate(("f1", "f2.dcm")):
        image = small_image(InstanceNumber=number, **shared)
        (folder / name).write_bytes(file_bytes(image))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    folder = tmp_path_factory.mktemp("import")
    fill(folder / "images")
    settings = SandboxSettings(
        folder / "data", CLIENTS, port=0, images_dir=folder / "images", demo_records=False
    )
    with RunningSandbox(settings) as server:
        yield server


def rows(hospital: RunningSandbox) -> list[dict]:
    return Viewer(hospital).get("/viewer/patients?source=images").json()["patients"]


def test_every_picture_is_a_patient_and_the_first_file_by_name_comes_first(
    imported: RunningSandbox,
) -> None:
    names = [row["name"] for row in rows(imported)]
    assert names == [
        "Image 0001, a <b>bold",
        "Image 0002, two",
        "Image 0005, f1",
    ]


def test_the_list_page_escapes_file_names(imported: RunningSandbox) -> None:
    page = Viewer(imported).get("/").text
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


def test_files_of_one_patient_id_are_one_patient_under_a_new_name(imported: RunningSandbox) -> None:
    fhir = imported.app.extensions["sandbox"].fhir
    archive = imported.app.extensions["sandbox-imaging"].archive
    patient = fhir.read("Patient", rows(imported)[2]["id"])
    assert (patient["birthDate"], patient["gender"]) == ("1950-01-02", "female")
    studies = fhir.search("ImagingStudy", [("patient", patient["id"])]).matches
    assert len(studies) == 2
    for study in studies:
        uid = study["identifier"][0]["value"].removeprefix("urn:oid:")
        (instance,) = archive.instances(uid)
        assert (instance.body_part, instance.view) == ("CHEST", "AP")
        stored = archive.read(instance.study_uid, instance.series_uid, instance.sop_uid)
        assert b"OLD-1" not in stored
        assert b"Real^Name" not in stored


def test_a_picture_has_no_birth_date_and_no_sex(imported: RunningSandbox) -> None:
    patient = imported.app.extensions["sandbox"].fhir.read("Patient", rows(imported)[0]["id"])
    assert "birthDate" not in patient
    assert "gender" not in patient


def test_a_second_start_makes_nothing_twice(tmp_path: Path) -> None:
    fill(tmp_path / "images")
    seen = []
    for _ in range(2):
        settings = SandboxSettings(
            tmp_path / "data", CLIENTS, port=0, images_dir=tmp_path / "images", demo_records=False
        )
        with RunningSandbox(settings) as server:
            fhir = server.app.extensions["sandbox"].fhir
            studies = fhir.search("ImagingStudy", []).matches
            seen.append((rows(server), sorted(study["id"] for study in studies)))
    assert seen[0] == seen[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_awkward_real_dicom_files_stop_nothing(tmp_path: Path) -> None:
    shared = Path(__file__).parents[2] / ".." / "shared" / "data" / "dicom"
    if not shared.is_dir():
        pytest.skip("../shared/data/dicom is not here")
    settings = SandboxSettings(tmp_path, CLIENTS, port=0, images_dir=shared, demo_records=False)
    with RunningSandbox(settings) as server:
        viewer = Viewer(server)
        patients = rows(server)
        assert len(patients) > 40
        for patient in patients:
            assert viewer.get(f"/patients/{patient['id']}/imaging").status_code == 200
