"""Whose images are whose: asked of the hospital's FHIR record, with the hospital's own rights.

The record decides, not the DICOM header: a reader of images must be able to meet an instance whose
PatientID is somebody else's, as in real archives, and to refuse it himself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sandbox.dicomweb.archive import Json
from sandbox.fhir_backend import FhirBackend

UID_SYSTEM = "urn:dicom:uid"


def study_identifier(study_uid: str) -> Json:
    """Identifier of an ImagingStudy (FHIR R4, ImagingStudy.identifier)."""
    return {"system": UID_SYSTEM, "value": f"urn:oid:{study_uid}"}


class Record:
    """The record's answers about studies and patients.

    Parameters
    ----------
    fhir : FhirBackend
        The hospital's store.
    identifier_systems : mapping of str to str
        IssuerOfPatientID to identifier system.
    """

    def __init__(self, fhir: FhirBackend, identifier_systems: Mapping[str, str]) -> None:
        self.fhir = fhir
        self._systems = dict(identifier_systems)

    def owner_of_study(self, study_uid: str) -> str | None:
        """Patient id of the ImagingStudy with this UID, None when there is none or it is torn."""
        identifier = f"{UID_SYSTEM}|urn:oid:{study_uid}"
        owners = {
            subject_id(study) for study in self._all("ImagingStudy", "identifier", identifier)
        }
        return owners.pop() if len(owners) == 1 else None

    def studies_of_patient(self, patient: str) -> frozenset[str]:
        """Study UIDs of the patient's ImagingStudies."""
        found = (study_uid_of(study) for study in self.imaging_studies(patient))
        return frozenset(uid for uid in found if uid)

    def imaging_studies(self, patient: str) -> Iterator[Json]:
        """The patient's ImagingStudies."""
        return self._all("ImagingStudy", "patient", f"Patient/{patient}")

    def patient_of_identity(self, patient_id: str, issuer: str) -> str | None:
        """Patient id that carries this PatientID of this issuer, None when unknown."""
        system = self._systems.get(issuer)
        # A bar or a comma would be read as part of the search (FHIR R4 search, token).
        if system is None or not patient_id or any(c in patient_id for c in "|,\\$"):
            return None
        found = [p["id"] for p in self._all("Patient", "identifier", f"{system}|{patient_id}")]
        return str(found[0]) if len(found) == 1 else None

    def _all(self, kind: str, name: str, value: str) -> Iterator[Json]:
        parameters = [(name, value)]
        page = self.fhir.search(kind, parameters)
        yield from page.matches
        while page.next_page:
            page = self.fhir.search(kind, [*parameters, ("_page", page.next_page)])
            yield from page.matches


def subject_id(study: Json) -> str | None:
    """Id of the patient that a study's subject names, None when it names none."""
    parts = str(study.get("subject", {}).get("reference", "")).split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == "Patient" else None


def study_uid_of(study: Json) -> str:
    """StudyInstanceUID among an ImagingStudy's identifiers, empty when there is none."""
    for identifier in study.get("identifier", []):
        if identifier.get("system") == UID_SYSTEM:
            return str(identifier.get("value", "")).removeprefix("urn:oid:")
    return ""
