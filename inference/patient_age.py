"""How old the patient was when the image was taken, from all that says something about it."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import replace
from datetime import date

from inference.images import DicomFacts

_UNIT_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_AGE = re.compile(r"([0-9]{1,3})([YMWD])")
_PARTIAL = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?(?:-([0-9]{2}))?")
# De-identified files carry birth dates such as 1800-01-01: no age is better than that one.
_OLDEST_YEARS = 120
# PatientAge is rounded down to whole years, a birth date may be known to the year only.
_SAME_AGE_YEARS = 2.0


def age_from_text(text: str | None) -> float | None:
    """Read PatientAge in years.

    References
    ----------
    DICOM PS3.5 6.2 (AS: nnnD, nnnW, nnnM, nnnY).
    """
    stated = _AGE.fullmatch((text or "").upper())
    if stated is None:
        return None
    years = int(stated[1]) * _UNIT_YEARS[stated[2]]
    return years if years <= _OLDEST_YEARS else None


def age_on(born: str | None, taken: str | None) -> float | None:
    """Give the age in years on a day; None where it is not known or cannot be.

    Parameters
    ----------
    born, taken : str or None
        ISO dates; of a birth date that is known to the year or month only, the last day counts:
        too young an age is refused, too old a one would let a child pass.
    """
    birth, day = _last_day(born), _last_day(taken)
    if birth is None or day is None:
        return None
    years = (day - birth).days / 365.25
    return years if 0 <= years <= _OLDEST_YEARS else None


def youngest(*ages: float | None) -> tuple[float | None, bool]:
    """Give the smallest of the known ages, and whether they contradict each other."""
    known = [age for age in ages if age is not None]
    if not known:
        return None, False
    return min(known), max(known) - min(known) > _SAME_AGE_YEARS


def with_birth_date(facts: DicomFacts, born: str | None, taken: str | None) -> DicomFacts:
    """Let the chart's birth date count beside what the image says.

    Parameters
    ----------
    born : str or None
        FHIR date: a year, a month or a day.
    taken : str or None
        When the chart says that the image was taken; used where the image does not say it.
    """
    day = facts.study_date or facts.acquired_date or (taken or "")[:10]
    age, contradicted = youngest(facts.patient_age_years, age_on(born, day))
    in_doubt = facts.patient_age_in_doubt or contradicted
    return replace(facts, patient_age_years=age, patient_age_in_doubt=in_doubt)


def _last_day(text: str | None) -> date | None:
    found = _PARTIAL.fullmatch(text or "")
    if found is None:
        return None
    year, month = int(found[1]), int(found[2] or 12)
    try:
        return date(year, month, int(found[3] or monthrange(year, month)[1]))
    except ValueError:
        return None
