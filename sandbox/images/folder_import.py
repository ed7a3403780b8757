"""A folder of X-rays turned into patients with studies (``--images``).

A patient per picture; DICOM files of one PatientID are one patient. What a file says about the
picture is kept, who it is from is rewritten. Patients are numbered in the order of file names.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from sandbox.dicomweb.imaging import Imaging
from sandbox.images.errors import PictureRefused
from sandbox.images.filing import file_images, is_filed
from sandbox.images.identity import (
    PatientIdentity,
    StudyIdentity,
    fingerprint,
    new_uid,
    rewrite,
)
from sandbox.images.limits import MOST_FILE_BYTES, check_claim
from sandbox.images.patients import identity_of, new_patient
from sandbox.images.wrapping import wrap

log = logging.getLogger(__name__)
MOST_FILES = 2000


@dataclass
class FoundPatient:
    """Files of a folder that are one patient's.

    Parameters
    ----------
    key : str
        PatientID of DICOM files, or the file's own name: what makes them one patient.
    title : str
        Name of the first file, shown as the given name.
    header : pydicom.dataset.Dataset
        Of the first file; empty for a picture.
    studies : dict of str to list of Path
        Files by the study that they are of.
    """

    key: str
    title: str
    header: Dataset
    studies: dict[str, list[Path]] = field(default_factory=dict)


def import_folder(imaging: Imaging, folder: Path) -> list[str]:
    """Make patients and studies of every picture below a folder.

    Returns
    -------
    list of str
        Ids of the Patients, in the order of the files' names. Files that are no pictures are left
        out with a line in the log; so are all after the first `MOST_FILES`.
    """
    patients = []
    for number, found in enumerate(find_patients(folder), start=1):
        try:
            patients.append(_import_patient(imaging, found, number))
        except PictureRefused as refused:
            log.warning("picture %d of the folder left out: %s", number, refused.sentence)
    return patients


def find_patients(folder: Path) -> list[FoundPatient]:
    """Group the files below a folder by patient, in the order of their names."""
    patients: dict[str, FoundPatient] = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        header = _header(path)
        if header is None and path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            continue
        number = str(header.get("PatientID") or "") if header is not None else ""
        key = f"id {number}" if number else f"file {name}"
        found = patients.setdefault(key, FoundPatient(key, path.stem, header or Dataset()))
        study = str(header.get("StudyInstanceUID") or name) if header is not None else name
        found.studies.setdefault(study, []).append(path)
    return list(patients.values())


def _files(folder: Path) -> Iterator[Path]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("."))
    for number, path in enumerate(files):
        if number >= MOST_FILES:
            log.warning("only the first %d files of the folder are taken", MOST_FILES)
            return
        if path.stat().st_size <= MOST_FILE_BYTES:
            yield path


def _header(path: Path) -> Dataset | None:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        return None
    except Exception as error:
        log.warning("file of the folder left out: %s", type(error).__name__)
        return None


def _import_patient(imaging: Imaging, found: FoundPatient, number: int) -> str:
    mark = fingerprint(found.key.encode() + _first_bytes(found))[:8]
    resource_id, record_number = f"image-{number:04}-{mark}", f"I-{number:04}-{mark.upper()}"
    patient = new_patient(
        resource_id, record_number, f"Image {number:04}", found.title, found.header
    )
    datasets = {key: list(_datasets(paths, patient, key)) for key, paths in found.studies.items()}
    if not any(datasets.values()):
        raise PictureRefused("None of the patient's files is a picture")
    imaging.record.fhir.update(patient)
    for place, images in enumerate((i for i in datasets.values() if i), start=1):
        identity = identity_of(patient)
        if not is_filed(imaging, resource_id, str(images[0].StudyInstanceUID)):
            file_images(imaging, images, identity, f"{resource_id}-study-{place}")
    return resource_id


def _first_bytes(found: FoundPatient) -> bytes:
    path = next(iter(found.studies.values()))[0]
    return path.read_bytes()


def _datasets(paths: list[Path], patient: dict[str, object], key: str) -> Iterator[Dataset]:
    identity = identity_of(patient)
    study = StudyIdentity(new_uid("folder study", identity.number, key))
    for path in paths:
        try:
            yield _dataset(path, identity, study)
        except PictureRefused as refused:
            log.warning("file of the folder left out: %s", refused.sentence)


def _dataset(path: Path, patient: PatientIdentity, study: StudyIdentity) -> Dataset:
    header = _header(path)
    if header is None:
        return wrap(path.read_bytes(), patient, study)
    return filed_anew(path.read_bytes(), patient, study)


def filed_anew(data: bytes, patient: PatientIdentity, study: StudyIdentity) -> Dataset:
    """Rewrite a DICOM file for a patient of the hospital.

    Raises
    ------
    PictureRefused
        If it holds no picture, claims too large a one, or is damaged.
    """
    dataset = _whole(data)
    if "PixelData" not in dataset:
        raise PictureRefused("A DICOM file must hold an image; this one holds none")
    check_claim(dataset)
    rewrite(dataset, patient, study, fingerprint(data))
    return dataset


def _whole(data: bytes) -> Dataset:
    try:
        return pydicom.dcmread(io.BytesIO(data))
    except Exception as error:
        # pydicom raises whatever its parser trips over (struct.error, KeyError, EOFError, ...).
        raise PictureRefused("The DICOM file is damaged") from error
