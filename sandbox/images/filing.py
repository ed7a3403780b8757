"""Images into the archive, then their ImagingStudy into the record: the one way in for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from sandbox.dicomweb.archive import Json
from sandbox.dicomweb.imaging import Imaging
from sandbox.dicomweb.receiving import admission, spool_folder
from sandbox.dicomweb.record import study_uid_of
from sandbox.errors import FhirProblem
from sandbox.images.errors import PictureRefused
from sandbox.images.identity import PatientIdentity
from sandbox.images.studies import ENDPOINT, dicomweb_endpoint, imaging_study


def file_images(
    imaging: Imaging, datasets: Sequence[Dataset], patient: PatientIdentity, resource_id: str
) -> Json:
    """Store the instances of one study and write its ImagingStudy.

    Parameters
    ----------
    datasets : sequence of pydicom.dataset.Dataset
        With file meta information; all of one study of `patient`.
    resource_id : str
        Id of the ImagingStudy, if the record has none for this study yet.

    Returns
    -------
    dict
        The ImagingStudy as written.

    Raises
    ------
    PictureRefused
        If an instance is not stored; then the record is left as it is.
    """
    study_uid = str(datasets[0].StudyInstanceUID)
    with spool_folder(imaging.spool) as folder:
        parts = [_spool(dataset, folder, number) for number, dataset in enumerate(datasets)]
        admit = admission(imaging.record, patient=patient.patient, study_uid=study_uid)
        outcomes = imaging.store(parts, admit)
    refused = next((one.refused for one in outcomes if one.refused is not None), None)
    if refused is not None:
        raise PictureRefused(refused.sentence)
    _ensure_endpoint(imaging)
    known = _known_study(imaging, patient.patient, study_uid)
    instances = imaging.archive.instances(study_uid)
    study = imaging_study(known or resource_id, patient.patient, instances, datasets[0])
    return imaging.record.fhir.update(study).resource


def is_filed(imaging: Imaging, patient: str, study_uid: str) -> bool:
    """Tell whether a study is both in the record and in the archive."""
    known = _known_study(imaging, patient, study_uid)
    return known is not None and bool(imaging.archive.instances(study_uid))


def _ensure_endpoint(imaging: Imaging) -> None:
    # The demo records bring one; a hospital that opens without them has none yet.
    kind, _, resource_id = ENDPOINT.partition("/")
    try:
        imaging.record.fhir.read(kind, resource_id)
    except FhirProblem as problem:
        if problem.status not in (404, 410):
            raise
        imaging.record.fhir.update(dicomweb_endpoint(imaging.base))


def _known_study(imaging: Imaging, patient: str, study_uid: str) -> str | None:
    for study in imaging.record.imaging_studies(patient):
        if study_uid_of(study) == study_uid:
            return str(study["id"])
    return None


def _spool(dataset: Dataset, folder: Path, number: int) -> tuple[str, Path]:
    path = folder / f"{number}.dcm"
    try:
        dataset.save_as(path, enforce_file_format=True)
    except Exception as error:
        # What pydicom could read but not write again: a private or broken element.
        raise PictureRefused("The DICOM file is damaged") from error
    return "application/dicom", path
