"""The study that a launch asks for: by `fhirContext`, or by the link of a card (`appContext`).

It is a wish and no more: the page opens it when the launch patient's list holds it. A wish that is
not clear opens nothing by itself (docs/decisions/0601).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from smart_launch.context import LaunchContext

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_UID = re.compile(r"[0-9.]{1,64}")  # DICOM PS3.5, 9.1

SEVERAL = "The chart names several imaging studies. Choose one from the list."
ELSEWHERE = (
    "The chart asked for a study that lies at another server, which Wetread does not contact. "
    "Choose one from the list."
)
DIFFERENT = (
    "The chart and the link that Wetread was opened with name different studies. "
    "Choose one from the list."
)


@dataclass(frozen=True)
class WantedStudy:
    """What the launch asks for.

    Attributes
    ----------
    id : str or None
        Of the ImagingStudy at the EHR's own server.
    uid : str or None
        StudyInstanceUID that this study must have.
    unclear : str or None
        Why no study may be opened by itself, in a sentence for the user.
    """

    id: str | None = None
    uid: str | None = None
    unclear: str | None = None


def wanted_study(context: LaunchContext) -> WantedStudy:
    """Find out which study a launch asks for.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#fhircontext-exp; CDS Hooks 2.0, "Link"
    """
    linked, named = _linked(context.app_context), context.imaging_studies
    if len(named) > 1 and linked.id not in named:
        return WantedStudy(unclear=SEVERAL)
    if linked.id is None:
        if not named and _names_one_elsewhere(context):
            return WantedStudy(unclear=ELSEWHERE)
        return WantedStudy(named[0] if named else None)
    if named and linked.id not in named:
        return WantedStudy(unclear=DIFFERENT)
    return linked


def _linked(app_context: str | None) -> WantedStudy:
    """Read `{"study": id, "uid": StudyInstanceUID}`; anything else asks for nothing."""
    try:
        told: Any = json.loads(app_context or "")
    except (ValueError, RecursionError):
        return WantedStudy()
    study, uid = (told.get("study"), told.get("uid")) if isinstance(told, dict) else (None, None)
    if not _fits(_ID, study) or not (uid is None or _fits(_UID, uid)):
        return WantedStudy()
    return WantedStudy(study, uid)


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _names_one_elsewhere(context: LaunchContext) -> bool:
    """Tell whether an entry with the role `launch` is a study of another server."""
    return any(
        item.type == "ImagingStudy" and item.role == "launch" and "://" in (item.reference or "")
        for item in context.fhir_context
    )
