"""Birth date and sex in chart and image: do they agree, do they contradict each other. Pure."""

from __future__ import annotations

SEXES = {"M": "male", "F": "female", "O": "other"}


def birth_dates_agree(chart: str | None, image: str | None) -> bool:
    """Tell whether both are known to the day and equal: a year alone proves too little."""
    return len(image or "") == len("1930-10-19") and image == chart


def birth_dates_differ(chart: str | None, image: str | None) -> bool:
    """Compare as much as both know: "1930" does not contradict "1930-10-19"."""
    ours, theirs = chart or "", image or ""
    known = min(len(ours), len(theirs))
    return ours[:known] != theirs[:known]


def sexes_agree(chart: str | None, image: str | None) -> bool:
    """Tell whether both are known and equal.

    Parameters
    ----------
    chart, image : str or None
        FHIR administrative gender; DICOM Patient's Sex.
    """
    return _sex(image) is not None and _sex(image) == chart


def sexes_differ(chart: str | None, image: str | None) -> bool:
    """Tell whether one says male and the other female."""
    return {_sex(image), chart} == {"male", "female"}


def _sex(image: str | None) -> str | None:
    return SEXES.get((image or "").strip().upper())
