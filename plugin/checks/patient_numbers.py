"""Whether the images' patient numbers can be compared with the chart's (docs/decisions/0501)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from plugin.checks.imaging import Sample
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.imaging.identity import (
    IdentityRules,
    InstanceIdentity,
    check_identity,
    patient_identity,
)
from plugin.imaging.patient_check import identity_rules

# DICOM PS3.6: the attributes that say whose image it is.
PATIENT_ID, ISSUER, BIRTH_DATE, SEX = "00100020", "00100021", "00100030", "00100040"
STUDY_UID = "0020000D"
PRINTABLE = re.compile(r"[\w .:/^&+()-]{1,64}")

SYSTEM_OF_ALL = "default_patient_id_system"
ASK = "Ask the imaging department whose images these are before anything else."
OTHERS = {
    "study_uid": (
        "the archive's image carries another Study Instance UID than the ImagingStudy",
        "Check that EHR and archive name studies alike: nothing can be read before that.",
    ),
    "birth_date": ("the image's birth date is another than the chart's", ASK),
    "subject": ("the study's subject is another patient than the launch's", ASK),
}


def check_numbers(ehr: Ehr, patient: Mapping[str, Any], sample: Sample) -> Iterator[Result]:
    """Compare one image with the chart by the product's own rules, and say what lacks."""
    rules, header = identity_rules(ehr), sample.header
    image = InstanceIdentity(
        patient_id=value(header, PATIENT_ID),
        issuer_of_patient_id=value(header, ISSUER),
        study_instance_uid=value(header, STUDY_UID),
        patient_birth_date=_date(value(header, BIRTH_DATE)),
        patient_sex=value(header, SEX),
    )
    identity = patient_identity(patient, rules)
    study = sample.study
    check = check_identity(identity.id, identity, study.subject, study.uid or "", [image], rules)
    subject = f"EHR {ehr.id}"
    if check.outcome == "match":
        yield Result("ok", subject, "patient_numbers", "the image carries the chart's number")
        return
    systems = sorted({system for system, _ in identity.identifiers})
    text, remedy = advise(check.code, image, systems, rules)
    allowed = check.outcome == "unverifiable" and ehr.allow_unverifiable
    yield Result("warning" if allowed else "failure", subject, check.code, text, remedy)


def advise(
    code: str, image: InstanceIdentity, systems: list[str], rules: IdentityRules
) -> tuple[str, str]:
    """Put a verdict into words for whoever configures the comparison."""
    issuer = (image.issuer_of_patient_id or "").strip()
    named = f"IssuerOfPatientID {shown(issuer)}" if issuer else "no IssuerOfPatientID"
    chart = f"the chart's numbers are of: {', '.join(map(shown, systems)) or 'no system'}"
    if code == "issuer_of_patient_id":
        setting = f"patient_id_systems for {shown(issuer)}" if issuer else SYSTEM_OF_ALL
        text = f"the image names {named}, which no setting maps to an identifier system; {chart}"
        return text, f"Set {setting} to the system whose numbers these are."
    if code == "patient_id":
        system = rules.systems.get(issuer) if issuer else rules.default_system
        text = f"the image's number ({named}) is not among the chart's of {shown(system or '')}"
        return text, f"Check the mapping first: {chart}. If it is right, the images are not theirs."
    return OTHERS.get(code, ("the image does not belong to this chart", ASK))


def value(header: Mapping[str, Any], tag: str) -> str | None:
    """Give one value of DICOM JSON as text; None when absent or of another kind."""
    entry = header.get(tag)
    values = entry.get("Value") if isinstance(entry, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    return first if isinstance(first, str) and first else None


def shown(text: str) -> str:
    """Give a system or an issuer for the output; what looks like neither is not repeated."""
    return repr(text) if PRINTABLE.fullmatch(text) else "(unreadable)"


def _date(text: str | None) -> str | None:
    """Turn a DICOM date into FHIR's; a shorter one stays (PS3.5 6.2, DA)."""
    if text is None or not re.fullmatch(r"[0-9]{8}", text):
        return text
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"
