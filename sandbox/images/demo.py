"""The demo patients' studies, from the real images of the PyPI package ``pydicom-data``.

The pictures are real and their encodings are kept; patient, dates and UIDs are the hospital's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.data.data_manager import external_data_sources
from pydicom.dataset import Dataset

from sandbox.images.identity import PatientIdentity, StudyIdentity, new_uid, rewrite


@dataclass(frozen=True)
class DemoStudy:
    """One study of a demo patient.

    Parameters
    ----------
    resource_id, patient : str
        Ids of the ImagingStudy and the Patient.
    files : tuple of str
        Names in ``pydicom-data``.
    description : str
        StudyDescription.
    accession : str
        AccessionNumber.
    date, time, offset : str
        When it was taken, as DICOM writes it.
    """

    resource_id: str
    patient: str
    files: tuple[str, ...]
    description: str
    accession: str
    date: str
    time: str
    offset: str = "+0000"

    @property
    def identity(self) -> StudyIdentity:
        """The study's identity; its UID follows from the id of its ImagingStudy."""
        uid = new_uid("demo study", self.resource_id)
        return StudyIdentity(uid, self.accession, self.date, self.time, self.offset)


def demo_file(name: str) -> Path | None:
    """A file of ``pydicom-data``, None where the package is not installed; nothing is fetched."""
    source = external_data_sources().get("pydicom-data")
    return None if source is None else Path(str(source.get_path(name)))


def demo_images(study: DemoStudy, patient: PatientIdentity) -> list[Dataset]:
    """Images of a demo study, rewritten; empty where ``pydicom-data`` is not installed."""
    paths = [demo_file(name) for name in study.files]
    return [_image(path, study, patient) for path in paths if path is not None]


def _image(path: Path, study: DemoStudy, patient: PatientIdentity) -> Dataset:
    dataset = pydicom.dcmread(path)
    dataset.StudyDescription = study.description
    rewrite(dataset, patient, study.identity)
    return dataset
