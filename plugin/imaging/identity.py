"""Is this the right patient? The three-way comparison, before reading and again before writing.

Compared are the launch's patient, the study's subject and what every single image says about its
patient (PatientID with IssuerOfPatientID) and its study (StudyInstanceUID). Pure: values in,
verdict out. Numbers are compared as (system, value) and never normalised beyond the padding that
DICOM itself declares insignificant (PS3.5 6.2, LO): "007" and "7" are two patients. An equal number
with another birth date proves nothing: one of the two is wrong. Another sex alone is only said,
because records and images may rightly differ in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from plugin.errors import PluginError
from plugin.imaging.demographics import (
    birth_dates_agree,
    birth_dates_differ,
    sexes_agree,
    sexes_differ,
)

Outcome = Literal["match", "mismatch", "unverifiable"]

# Link types that say "the same person's other record"; `seealso` only points to more information.
SAME_PERSON = ("replaces", "replaced-by", "refer")
# Code of the verdict that images of one number state another birth date than the chart.
BIRTH_DATE = "birth_date"


class IdentityError(PluginError):
    """The images may not be those of the patient whose chart is open."""

    code = "identity_mismatch"
    title = "These images may belong to another patient"
    next_step = "Do not use this study for the open chart; ask the imaging department to check it."
    status = 409


@dataclass(frozen=True)
class PatientIdentity:
    """What a Patient resource says about who it is.

    Attributes
    ----------
    identifiers
        (system, value) pairs, those of records linked as the same person included.
    linked
        Ids of Patient resources on this server that are the same person.
    """

    id: str
    identifiers: frozenset[tuple[str, str]] = frozenset()
    birth_date: str | None = None
    sex: str | None = None
    linked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class InstanceIdentity:
    """What one image says about whose it is; dates are ISO, absent is None."""

    patient_id: str | None
    issuer_of_patient_id: str | None
    study_instance_uid: str | None
    patient_birth_date: str | None = None
    patient_sex: str | None = None


@dataclass(frozen=True)
class IdentityRules:
    """The EHR's own rules.

    Attributes
    ----------
    fhir_base
        Absolute references must begin with it.
    systems
        IssuerOfPatientID to identifier system.
    default_system
        For images that name no issuer; None: such images cannot be compared.
    allow_unverifiable
        Go on when nothing contradicts but nothing proves either, if birth date and sex agree.
    """

    fhir_base: str
    systems: Mapping[str, str] = field(default_factory=dict)
    default_system: str | None = None
    allow_unverifiable: bool = False


@dataclass(frozen=True)
class IdentityCheck:
    """The verdict.

    Attributes
    ----------
    outcome
        The worst of all comparisons.
    code
        Which comparison decided, for logs and tests; "match" when all agreed.
    demographics_agree
        Birth date and sex are present and equal in every image.
    sex_differs
        Some image states another sex than the chart.
    """

    outcome: Outcome
    code: str
    demographics_agree: bool
    sex_differs: bool = False


def patient_identity(
    resource: Mapping[str, Any], rules: IdentityRules, linked: Iterable[Mapping[str, Any]] = ()
) -> PatientIdentity:
    """Read a Patient resource.

    Parameters
    ----------
    linked : iterable of Patient resources
        Records of the same person that could be read: their identifiers count too.
    """
    others = [r for r in linked if r.get("id") in linked_ids(resource, rules)]
    pairs = [
        (entry["system"], entry["value"].strip(" "))
        for record in (resource, *others)
        for entry in record.get("identifier", ())
        if entry.get("system") and isinstance(entry.get("value"), str)
    ]
    return PatientIdentity(
        id=str(resource.get("id", "")),
        identifiers=frozenset(pairs),
        birth_date=resource.get("birthDate"),
        sex=resource.get("gender"),
        linked=linked_ids(resource, rules),
    )


def linked_ids(resource: Mapping[str, Any], rules: IdentityRules) -> frozenset[str]:
    """Ids of the Patient resources that this one declares to be the same person."""
    found = (
        local_id((link.get("other") or {}).get("reference"), "Patient", rules.fhir_base)
        for link in resource.get("link", ())
        if link.get("type") in SAME_PERSON
    )
    return frozenset(identity for identity in found if identity)


def local_id(reference: str | None, resource_type: str, fhir_base: str) -> str | None:
    """Resolve a reference, relative or absolute, to an id on this server; None if elsewhere."""
    if not reference:
        return None
    path = reference.removeprefix(fhir_base.rstrip("/") + "/")
    found = re.fullmatch(rf"{resource_type}/([A-Za-z0-9\-.]{{1,64}})(/_history/[^/]+)?", path)
    return found.group(1) if found else None


def check_identity(
    launch_patient: str,
    patient: PatientIdentity,
    subject: Mapping[str, Any],
    study_uid: str,
    instances: Iterable[InstanceIdentity],
    rules: IdentityRules,
) -> IdentityCheck:
    """Compare all three; one contradiction anywhere is a mismatch.

    Parameters
    ----------
    launch_patient : str
        Patient id of the launch.
    subject : mapping
        `ImagingStudy.subject`.
    study_uid : str
        The study's UID without `urn:oid:`.
    """
    images = list(instances)
    verdicts = [_check_subject(launch_patient, patient, subject, rules)]
    # First, so that it is the reason given: an exception for unknown numbers must not help here.
    verdicts += [_check_birth_date(patient, image) for image in images]
    verdicts += [_check_instance(patient, study_uid, image, rules) for image in images]
    if not images:
        verdicts.append(("unverifiable", "no_images"))
    agree = bool(images) and all(_demographics_agree(patient, image) for image in images)
    differs = any(sexes_differ(patient.sex, image.patient_sex) for image in images)
    for outcome in ("mismatch", "unverifiable"):
        for verdict in verdicts:
            if verdict[0] == outcome:
                return IdentityCheck(verdict[0], verdict[1], agree, differs)
    return IdentityCheck("match", "match", agree, differs)


def require_identity(check: IdentityCheck, rules: IdentityRules) -> None:
    """Stop unless the verdict allows to go on.

    Raises
    ------
    IdentityError
        Mismatch; or unverifiable without a rule that allows it, or with one but birth date and sex
        are missing or differ.
    """
    if check.outcome == "match":
        return
    if check.outcome == "mismatch":
        raise IdentityError(
            "Every image of the study must carry the number of the patient whose chart is open; "
            "this study carries another one."
        )
    if check.code == BIRTH_DATE:
        raise IdentityError(
            "The images' birth date must be the chart's; in this study it is another one.",
            code="identity_unverifiable",
        )
    if not rules.allow_unverifiable:
        raise IdentityError(
            "The images' patient number must be comparable with the chart's; in this study it is "
            "missing or of an unknown kind.",
            code="identity_unverifiable",
            title="It cannot be shown whose images these are",
        )
    if not check.demographics_agree:
        raise IdentityError(
            "Images without a comparable patient number must at least agree in birth date and sex; "
            "in this study they do not.",
            code="identity_unverifiable",
            title="It cannot be shown whose images these are",
        )


def _check_subject(
    launch_patient: str,
    patient: PatientIdentity,
    subject: Mapping[str, Any],
    rules: IdentityRules,
) -> tuple[Outcome, str]:
    if patient.id != launch_patient:
        return "mismatch", "launch_patient"
    reference = subject.get("reference")
    if reference is None:
        # A logical reference names the patient by number only.
        number = subject.get("identifier") or {}
        pair = (number.get("system") or "", str(number.get("value") or "").strip(" "))
        return _compare_number(patient, pair, "subject")
    found = local_id(reference, "Patient", rules.fhir_base)
    if found == launch_patient or (found is not None and found in patient.linked):
        return "match", "match"
    return "mismatch", "subject"


def _check_instance(
    patient: PatientIdentity, study_uid: str, image: InstanceIdentity, rules: IdentityRules
) -> tuple[Outcome, str]:
    if image.study_instance_uid != study_uid:
        return "mismatch", "study_uid"
    issuer = (image.issuer_of_patient_id or "").strip(" ")
    system = rules.systems.get(issuer) if issuer else rules.default_system
    if system is None:
        return "unverifiable", "issuer_of_patient_id"
    return _compare_number(patient, (system, (image.patient_id or "").strip(" ")), "patient_id")


def belongs_to(patient: PatientIdentity, subject: Mapping[str, Any], rules: IdentityRules) -> bool:
    """Tell whether a resource's subject is the patient, or a record of the same person."""
    return _check_subject(patient.id, patient, subject, rules)[0] == "match"


def _compare_number(
    patient: PatientIdentity, pair: tuple[str, str], code: str
) -> tuple[Outcome, str]:
    if not pair[0] or not _is_plain(pair[1]):
        return "unverifiable", code
    if pair in patient.identifiers:
        return "match", "match"
    if any(system == pair[0] for system, _ in patient.identifiers):
        return "mismatch", code
    return "unverifiable", code


def _is_plain(number: str) -> bool:
    """Tell whether a number can be compared: it is one value (PS3.5 6.2, LO) and all of it shows.

    "H 1001" with a tab or a no-break space looks like the same number, and is not.
    """
    return number != "" and number.isprintable() and "\\" not in number


def _check_birth_date(patient: PatientIdentity, image: InstanceIdentity) -> tuple[Outcome, str]:
    differ = birth_dates_differ(patient.birth_date, image.patient_birth_date)
    return ("unverifiable", BIRTH_DATE) if differ else ("match", "match")


def _demographics_agree(patient: PatientIdentity, image: InstanceIdentity) -> bool:
    same_birth = birth_dates_agree(patient.birth_date, image.patient_birth_date)
    return same_birth and sexes_agree(patient.sex, image.patient_sex)
