"""Patients of the record, as DICOM names them, and the other way round."""

from __future__ import annotations

import unicodedata

from pydicom.dataset import Dataset

from sandbox.dicomweb.archive import Json
from sandbox.images.errors import PictureRefused
from sandbox.images.identity import PatientIdentity
from sandbox.settings import ISSUER_OF_PATIENT_ID, MRN_SYSTEM

_SEX = {"male": "M", "female": "F", "other": "O"}
_GENDER = {"M": "male", "F": "female", "O": "other"}


def identity_of(patient: Json) -> PatientIdentity:
    """DICOM identity of a Patient resource.

    Raises
    ------
    PictureRefused
        If the patient has no record number of this hospital.
    """
    numbers = [i["value"] for i in patient.get("identifier", []) if i.get("system") == MRN_SYSTEM]
    if not numbers:
        raise PictureRefused("The patient must have a record number of this hospital")
    return PatientIdentity(
        patient=str(patient["id"]),
        number=str(numbers[0]),
        issuer=ISSUER_OF_PATIENT_ID,
        name=_person_name(patient),
        birth_date=_whole_date(str(patient.get("birthDate", ""))),
        sex=_SEX.get(str(patient.get("gender", "")), ""),
    )


def _person_name(patient: Json) -> str:
    names = patient.get("name") or [{}]
    parts = [str(names[0].get("family", "")), " ".join(names[0].get("given", []))]
    return "^".join(_name_text(part) for part in parts).rstrip("^")


def _name_text(text: str) -> str:
    # ^, = and \ separate parts of a DICOM name; control characters must not appear (PS3.5 6.2).
    kept = (" " if c in "^=\\" or unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join("".join(kept).split())[:64]


def _whole_date(text: str) -> str:
    # A DICOM date cannot be a year alone.
    return text.replace("-", "") if len(text) == 10 else ""


def new_patient(resource_id: str, number: str, family: str, given: str, header: Dataset) -> Json:
    """A Patient resource for a picture from a folder.

    Birth date and sex are taken over where the picture's header has them; nothing is made up.
    """
    patient: Json = {
        "resourceType": "Patient",
        "id": resource_id,
        "identifier": [{"use": "usual", "system": MRN_SYSTEM, "value": number}],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
    }
    born = str(header.get("PatientBirthDate") or "")
    if len(born) == 8 and born.isdigit() and "0101" <= born[4:] <= "1231":
        patient["birthDate"] = f"{born[:4]}-{born[4:6]}-{born[6:]}"
    if gender := _GENDER.get(str(header.get("PatientSex") or "")):
        patient["gender"] = gender
    return patient
