"""Which chest studies nobody has reported on, and which have an AI reading alone. Pure.

The rules are the page's: what is withdrawn, which kinds of image a model reads, which reports are
Wetread's and which of them a clinician has worked on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plugin.cds.chart import Chart
from plugin.cds.report_links import STUDY_UID, KnownStudies
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study, read_study_resource
from plugin.reporting.fhir_codes import (
    CHEST_CT,
    CHEST_SINGLE_VIEW,
    CHEST_TWO_VIEWS,
    READING_KEY,
)
from plugin.reporting.wording import UNREAD

State = Literal["unread", "ai_only", "ai_failed"]
Resource = Mapping[str, Any]

# Where the images lie is a matter for the page: Endpoints are not prefetched.
ARCHIVE_MATTERS = ("no_endpoint", "endpoint_kind", "endpoint_refused")
# SNOMED CT: thoracic structure, thorax, entire thorax, lung, entire lung.
CHEST_CODES = {"51185008", "816094009", "302551006", "39607008", "181216001"} | {
    code for code, _ in (CHEST_SINGLE_VIEW, CHEST_TWO_VIEWS, CHEST_CT)
}
CHEST_WORDS = re.compile(r"\b(chest|thorax|t[óo]rax|lungs?|cxr)\b", re.IGNORECASE)
WITHDRAWN = ("entered-in-error", "cancelled")
# A report without a result so far; of ours, one that nobody has signed.
UNSIGNED = ("registered", "partial", "preliminary")
STUDY_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True)
class ChestStudy:
    """A study that is worth a line on the card.

    Attributes
    ----------
    state : str
        ``unread``: no report in the chart; ``ai_only``: none but Wetread's, which nobody has
        signed; ``ai_failed``: the same, and it says that the study could not be read.
    """

    id: str
    uid: str
    started: str | None
    modalities: tuple[str, ...]
    state: State


def chest_studies(chart: Chart, fhir_base: str, modalities: Iterable[str]) -> list[ChestStudy]:
    """Find the studies to name, newest first.

    Parameters
    ----------
    modalities : iterable of str
        DICOM modalities that the installed models read.
    """
    kinds = frozenset(modalities)
    reports = _Reports(chart, fhir_base)
    found = []
    for resource in chart.studies:
        study = read_study_resource(resource, {}, ArchiveRules(fhir_base, ()), kinds)
        state = reports.state(study.uid or "") if _is_of_interest(study) else None
        if state is not None:
            shown = tuple(code for code in study.modalities if code in kinds)
            found.append(ChestStudy(study.id, study.uid or "", study.started, shown, state))
    return sorted(found, key=lambda study: study.started or "", reverse=True)


def _is_of_interest(study: Study) -> bool:
    return (
        study.why_not in (None, *ARCHIVE_MATTERS)
        and STUDY_ID.fullmatch(study.id) is not None
        and STUDY_UID.fullmatch(study.uid or "") is not None
        and _is_of_chest(study.resource)
    )


def _is_of_chest(resource: Resource) -> bool:
    """Tell whether the record says so; what it does not say is not guessed."""
    sites = [entry["bodySite"] for entry in resource.get("series", ()) if "bodySite" in entry]
    procedures = resource.get("procedureCode", ())
    codings = [*sites, *(c for entry in procedures for c in entry.get("coding", ()))]
    if any(coding.get("code") in CHEST_CODES for coding in codings):
        return True
    words = [coding.get("display", "") for coding in codings]
    words += [entry.get("text", "") for entry in procedures]
    words += [site.get("code", "") for site in sites]
    return any(CHEST_WORDS.search(text) for text in (*words, resource.get("description", "")))


class _Reports:
    """The reports of a chart that say something, by study."""

    def __init__(self, chart: Chart, fhir_base: str) -> None:
        known = KnownStudies((*chart.studies, *chart.other_studies), fhir_base)
        self._of: dict[str, list[State | None]] = defaultdict(list)
        self._unsure: list[frozenset[str]] = []
        weighed = [(report, _state(report)) for report in chart.reports]
        # What is not shown to be this patient's may be anybody's word: it only silences.
        weighed += [(report, None) for report in chart.other_reports]
        for report, state in weighed:
            if not _has_content(report):
                continue
            link = known.link(report)
            for uid in link.studies:
                self._of[uid].append(state)
            if not link.sure:
                self._unsure.append(link.studies)

    def state(self, uid: str) -> State | None:
        """Weigh a study's reports; None where somebody has, or may have, reported on it."""
        if any(uid not in studies for studies in self._unsure):
            return None
        states: list[State | None] = self._of.get(uid, ["unread"])
        if None in states:
            return None
        # One reading that succeeded counts more than any that did not.
        return "ai_only" if "ai_only" in states else states[0]


def _has_content(report: Resource) -> bool:
    status = report.get("status")
    return status not in WITHDRAWN and (_is_ours(report) or status != "registered")


def _state(report: Resource) -> State | None:
    """What a report makes of its study; None: reported on."""
    if not _is_ours(report) or report.get("status") not in UNSIGNED:
        return None
    return "ai_failed" if str(report.get("conclusion", "")).startswith(UNREAD) else "ai_only"


def _is_ours(report: Resource) -> bool:
    return any(entry.get("system") == READING_KEY for entry in report.get("identifier", ()))
