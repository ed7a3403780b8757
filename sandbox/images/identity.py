"""Who is on an image and in which study it belongs; written over whatever a file said before.

As an imaging department files images from elsewhere (IHE Import Reconciliation Workflow): the
patient's and the study's identity become the hospital's, what describes the picture stays.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

_NAMESPACE = uuid.UUID("6f1d4f0e-8d5e-4a6f-9b0a-3f3f0b7f3c11")
_CLASSES = {
    "CR": ComputedRadiographyImageStorage,
    "CT": CTImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
    "MR": MRImageStorage,
}
# Attributes that could name the person, the place or the people around the original picture
# (a short form of PS3.15 annex E); the picture's own description is not among them.
_NAMES_TAKEN_OUT = """
    OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientAge PatientAddress
    PatientTelephoneNumbers PatientMotherBirthName PatientBirthTime PatientComments
    MilitaryRank EthnicGroup Occupation AdditionalPatientHistory PatientBirthName
    InstitutionName InstitutionAddress InstitutionalDepartmentName ReferringPhysicianName
    PerformingPhysicianName OperatorsName PhysiciansOfRecord NameOfPhysiciansReadingStudy
    RequestingPhysician RequestAttributesSequence ReferencedStudySequence
    ReferencedPatientSequence ReferencedPerformedProcedureStepSequence StationName
    DeviceSerialNumber PerformedProcedureStepID InstanceCreatorUID ImageComments
    IssuerOfPatientIDQualifiersSequence IssuerOfAccessionNumberSequence
"""


@dataclass(frozen=True)
class PatientIdentity:
    """A patient of the hospital, as DICOM names him.

    Parameters
    ----------
    patient : str
        Id of the Patient resource.
    number : str
        PatientID.
    issuer : str
        IssuerOfPatientID.
    name : str
        DICOM person name (``family^given``), empty when unknown.
    birth_date : str
        ``YYYYMMDD``, empty when unknown.
    sex : str
        ``M``, ``F``, ``O``, empty when unknown.
    """

    patient: str
    number: str
    issuer: str
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True)
class StudyIdentity:
    """A study of the hospital.

    Parameters
    ----------
    uid : str
        StudyInstanceUID.
    accession : str
        AccessionNumber, empty when there is none.
    date, time : str
        ``YYYYMMDD`` and ``HHMMSS``; empty leaves what the file says.
    offset : str
        ``+HHMM`` from UTC, empty when unknown.
    """

    uid: str
    accession: str = ""
    date: str = ""
    time: str = ""
    offset: str = ""


def new_uid(*parts: str) -> UID:
    """A UID (PS3.5 annex B.2) that is always the same for the same parts."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(parts)).int}")


def fingerprint(data: bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def rewrite(
    dataset: Dataset, patient: PatientIdentity, study: StudyIdentity, digest: str = ""
) -> None:
    """Give a data set the patient's and the study's identity, and UIDs of its own.

    Series and instance UIDs become new ones, made from the old ones: files of one series stay
    together, and the same file again becomes the same instance. `digest` tells apart files that
    carry the same instance UID (or none), as copies in several encodings do.
    """
    dataset.remove_private_tags()
    for keyword in _NAMES_TAKEN_OUT.split():
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PatientID, dataset.IssuerOfPatientID = patient.number, patient.issuer
    dataset.PatientName, dataset.PatientBirthDate = patient.name, patient.birth_date
    dataset.PatientSex = patient.sex
    _date(dataset, study)
    if not dataset.get("SOPClassUID"):
        dataset.SOPClassUID = _sop_class(dataset)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    series, instance = (str(dataset.get(k, "")) for k in ("SeriesInstanceUID", "SOPInstanceUID"))
    dataset.StudyInstanceUID = study.uid
    dataset.AccessionNumber, dataset.StudyID = study.accession, study.accession[:16]
    dataset.SeriesInstanceUID = new_uid(study.uid, "series", series)
    dataset.SOPInstanceUID = new_uid(study.uid, "instance", instance, digest)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    _drop_false_spacing(dataset)


def _sop_class(dataset: Dataset) -> UID:
    # Some tools that take names out of files take this out too.
    said = dataset.file_meta.get("MediaStorageSOPClassUID")
    return UID(said or _CLASSES.get(str(dataset.get("Modality")), SecondaryCaptureImageStorage))


def _date(dataset: Dataset, study: StudyIdentity) -> None:
    if not study.date:
        return
    for level in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{level}Date", study.date)
        setattr(dataset, f"{level}Time", study.time)
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "AcquisitionDateTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    if study.offset:
        dataset.TimezoneOffsetFromUTC = study.offset
    elif "TimezoneOffsetFromUTC" in dataset:
        del dataset.TimezoneOffsetFromUTC


def _drop_false_spacing(dataset: Dataset) -> None:
    # Some old files say 0 mm; a distance that cannot be is worse than none.
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = dataset.get(keyword)
        if spacing and any(float(value) <= 0 for value in spacing):
            delattr(dataset, keyword)
