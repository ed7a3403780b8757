"""The identity check against the live record: once before reading, once more before writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plugin.ehrs import Ehr
from plugin.imaging.endpoints import ArchiveRules
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
from plugin.imaging.imaging_study import Study, images_mark, read_study_resource
from plugin.record import Record
from smart_launch.errors import FhirForbidden, FhirNotFound, FhirUnavailable
from smart_launch.fhir_batch import Answered, read_from

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
    people: Mapping[str, Mapping[str, Any]],
) -> CheckedPatient:
    """Compare launch, study and images; stop unless they belong together.

    Parameters
    ----------
    people : mapping
        Patient id to resource, as far as the record sent them along; the others are read.

    Raises
    ------
    IdentityError
        They do not, or it cannot be shown that they do.
    """
    resource = people.get(patient) or record.read("Patient", patient)
    linked = _linked(record, rules, resource, study.subject, people)
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
    study: Study,
    facts: Sequence[DicomFacts],
    current: Answered,
    patient: Answered,
) -> CheckedPatient:
    """Compare again with study and patient as they are now: much may have happened meanwhile.

    Parameters
    ----------
    current, patient : Answered
        What the record says of the study and of the launch's patient when it is asked anew.

    Raises
    ------
    IdentityError
        `study_reassigned`: it is no longer this patient's study; `study_withdrawn`;
        `study_changed`: it has other images now; `identity_unconfirmed`: the patient cannot be read
        any more.
    """
    try:
        resource = read_from(current).resource
    except (FhirNotFound, FhirForbidden) as error:
        raise _reassigned() from error
    _require_same_images(rules, study, resource)
    try:
        person = read_from(patient)
    except (FhirNotFound, FhirForbidden) as error:
        raise _unconfirmed("the patient's record can no longer be read.") from error
    moved = replace(study, subject=resource.get("subject") or {}, resource=resource)
    people = {person.id: person.resource}
    with confirming():
        try:
            return check_patient(record, rules, person.id, moved, facts, people)
        except IdentityError as error:
            raise _reassigned() from error


@contextmanager
def confirming() -> Iterator[None]:
    """Ask the record whose images they are: another entry than the one asked for is no yes.

    Raises
    ------
    IdentityError
        `identity_unconfirmed`.
    """
    try:
        yield
    except FhirUnavailable as error:
        if error.code != "wrong_resource":
            raise
        raise _unconfirmed("the record answers with other entries than asked for.") from error


def _require_same_images(rules: IdentityRules, study: Study, current: Mapping[str, Any]) -> None:
    # Where the images lie and who reads them was settled before: none of it is asked again.
    now = read_study_resource(current, {}, ArchiveRules(rules.fhir_base, ()), frozenset())
    if now.uid != study.uid:
        raise _reassigned()
    if now.why_not == "withdrawn":
        raise _changed("study_withdrawn", "this one was cancelled or entered in error meanwhile.")
    # The study came from a search, which may leave out the version or give one of its own.
    if images_mark(now, versioned=False) != images_mark(study, versioned=False):
        raise _changed("study_changed", "this one has other images now.")


def _linked(
    record: Record,
    rules: IdentityRules,
    patient: Mapping[str, Any],
    subject: Mapping[str, Any],
    people: Mapping[str, Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """Give the other record of the same person if the study hangs on that one."""
    found = local_id(subject.get("reference"), "Patient", rules.fhir_base)
    if found is None or found == patient.get("id") or found not in linked_ids(patient, rules):
        return []
    try:
        return [people.get(found) or record.read("Patient", found)]
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


def _unconfirmed(why: str) -> IdentityError:
    return IdentityError(
        f"Whose images these are must be confirmed once more after reading; {why}",
        code="identity_unconfirmed",
        title="It can no longer be shown whose images these are",
        next_step="Open the chart again and check whose study it is before you use it.",
    )


def _changed(code: str, what: str) -> IdentityError:
    return IdentityError(
        f"A study must still hold what was read when its report is written; {what}",
        code=code,
        title="The study was changed while it was being read",
        next_step="Open the chart again; if the study is still there, have it read again.",
    )
