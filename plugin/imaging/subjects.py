"""Whose resources are these? A server that ignores a search parameter sends other patients' too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plugin.imaging.identity import IdentityRules, belongs_to, local_id, patient_identity

if TYPE_CHECKING:
    from plugin.record import Record

Resources = Sequence[Mapping[str, Any]]


def of_patient(record: Record, patient: str, found: Resources) -> list[Mapping[str, Any]]:
    """Keep the resources whose subject is the patient, or a record linked as the same person.

    The Patient is read only if some subject is not plainly the patient: then its links and numbers
    decide.
    """
    if all(_is_plainly(record, patient, one) for one in found):
        return list(found)
    rules = IdentityRules(fhir_base=record.base_url)
    identity = patient_identity(record.read("Patient", patient), rules)
    return [one for one in found if belongs_to(identity, one.get("subject") or {}, rules)]


def _is_plainly(record: Record, patient: str, resource: Mapping[str, Any]) -> bool:
    reference = (resource.get("subject") or {}).get("reference")
    return local_id(reference, "Patient", record.base_url) == patient
