"""The identity check against the live record: once before reading, once more before writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plugin.ehrs import Ehr
from plugin.imaging.identity import (
    IdentityCheck,
    IdentityError,
    IdentityRules,
    InstanceIdentity,
    check_identity,
    linked_ids,
    local_id,
    patient_identity,
    require_identity,
)
from plugin.imaging.imaging_study import ArchiveRules, Study, images_mark, read_study_resource
from plugin.record import Record
from smart_launch.errors import FhirForbidden, FhirNotFound

if TYPE_CHECKING:
    from inference.images import DicomFacts


@dataclass(frozen=True)
class CheckedPatient:
    """The patient whose images these are, and how well that is known."""

    resource: Mapping[str, Any]
    check: IdentityCheck


def identity_rules(ehr: Ehr) -> IdentityRules:
    """Give the EHR's rules for comparing patients."""
    return IdentityRules(
        fhir_base=ehr.issuer,
        systems=ehr.patient_id_systems,
        default_system=ehr.default_patient_id_system,
        allow_unverifiable=ehr.allow_unverifiable,
    )


def check_patient(
    record: Record,
    rules: IdentityRules,
    patient: str,
    study: Study,
    facts: Sequence[DicomFacts],
) -> CheckedPatient:
    """Compare launch, study and images; stop unless they belong together.

    Raises
    ------
    IdentityError
        They do not, or it cannot be shown that they do.
    """
    resource = record.read("Patient", patient)
    linked = _read_linked(record, rules, resource, study.subject)
    instances = [
        InstanceIdentity(
            patient_id=one.patient_id,
            issuer_of_patient_id=one.issuer_of_patient_id,
            study_instance_uid=one.study_instance_uid,
            patient_birth_date=one.patient_birth_date,
            patient_sex=one.patient_sex,
        )
        for one in facts
    ]
    check = check_identity(
        patient,
        patient_identity(resource, rules, linked),
        study.subject,
        study.uid or "",
        instances,
        rules,
    )
    require_identity(check, rules)
    return CheckedPatient(resource, check)


def check_again(
    record: Record,
    rules: IdentityRules,
    patient: str,
    study: Study,
    facts: Sequence[DicomFacts],
) -> CheckedPatient:
    """Read study and patient anew and compare again: much may have happened to the study meanwhile.

    Raises
    ------
    IdentityError
        `study_reassigned`: it is no longer this patient's study; `study_withdrawn`;
        `study_changed`: it has other images now.
    """
    try:
        current = record.read("ImagingStudy", study.id)
    except (FhirNotFound, FhirForbidden) as error:
        raise _reassigned() from error
    # Where the images lie and who reads them was settled before: none of it is asked again.
    now = read_study_resource(current, {}, ArchiveRules(rules.fhir_base, ()), frozenset())
    if now.uid != study.uid:
        raise _reassigned()
    if now.why_not == "withdrawn":
        raise _changed("study_withdrawn", "this one was cancelled or entered in error meanwhile.")
    # The study came from a search, which may leave out the version or give one of its own.
    if images_mark(now, versioned=False) != images_mark(study, versioned=False):
        raise _changed("study_changed", "this one has other images now.")
    try:
        moved = replace(study, subject=now.subject, resource=current)
        return check_patient(record, rules, patient, moved, facts)
    except IdentityError as error:
        raise _reassigned() from error


def _read_linked(
    record: Record,
    rules: IdentityRules,
    patient: Mapping[str, Any],
    subject: Mapping[str, Any],
) -> list[Mapping[str, Any]]:
    """Read the other record of the same person if the study hangs on that one."""
    found = local_id(subject.get("reference"), "Patient", rules.fhir_base)
    if found is None or found == patient.get("id") or found not in linked_ids(patient, rules):
        return []
    try:
        return [record.read("Patient", found)]
    except (FhirNotFound, FhirForbidden):
        return []


def _reassigned() -> IdentityError:
    return IdentityError(
        "A study must still be the patient's when its report is written; this one was changed "
        "meanwhile.",
        code="study_reassigned",
        title="The study was changed while it was being read",
        next_step="Open the chart again and check whose study it is before you use it.",
    )


def _changed(code: str, what: str) -> IdentityError:
    return IdentityError(
        f"A study must still hold what was read when its report is written; {what}",
        code=code,
        title="The study was changed while it was being read",
        next_step="Open the chart again; if the study is still there, have it read again.",
    )
