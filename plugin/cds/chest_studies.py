"""Which chest studies nobody has reported on, and which have an AI reading alone. Pure.

The rules are the page's: what is withdrawn, which kinds of image a model reads, which reports are
Wetread's and which of them a clinician has worked on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plugin.cds.chart import Chart
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import Study, accession_identifier, read_study_resource
from plugin.reporting.fhir_codes import (
    CHEST_CT,
    CHEST_SINGLE_VIEW,
    CHEST_TWO_VIEWS,
    READING_KEY,
    STUDY_KEY,
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
STUDY_UID = re.compile(r"[0-9.]{1,64}")


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
    found = []
    for resource in chart.studies:
        study = read_study_resource(resource, {}, ArchiveRules(fhir_base, ()), kinds)
        if not _is_of_interest(study):
            continue
        state = _state(_reports_of(study, chart.reports, fhir_base))
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


def _reports_of(study: Study, reports: Iterable[Resource], fhir_base: str) -> Iterator[Resource]:
    """Give the reports that are of a study.

    Many records leave `imagingStudy` out; then the order or the accession number tells. Where it
    is there, it alone counts: one order may have led to several studies.
    """
    for report in reports:
        named = [entry.get("reference") for entry in report.get("imagingStudy", ())]
        if named:
            ids = {local_id(reference, "ImagingStudy", fhir_base) for reference in named}
            if study.id in ids:
                yield report
        elif _is_of_same_order(study, report, fhir_base):
            yield report


def _is_of_same_order(study: Study, report: Resource, fhir_base: str) -> bool:
    ours = [e.get("value") for e in report.get("identifier", ()) if e.get("system") == STUDY_KEY]
    if f"urn:oid:{study.uid}" in ours:
        return True
    number = accession_identifier(study.resource)
    if number is not None and _pair(number) in map(_pair, report.get("identifier", ())):
        return True
    return bool(_orders(study.resource, fhir_base) & _orders(report, fhir_base))


def _pair(identifier: Resource) -> tuple[object, object]:
    return identifier.get("system"), identifier.get("value")


def _orders(resource: Resource, fhir_base: str) -> set[str]:
    base = fhir_base.rstrip("/") + "/"
    references = (entry.get("reference") for entry in resource.get("basedOn", ()))
    return {reference.removeprefix(base) for reference in references if reference}


def _state(reports: Iterable[Resource]) -> State | None:
    """Weigh a study's reports; None where somebody has reported on it."""
    state: State = "unread"
    for report in reports:
        status = report.get("status")
        if status in WITHDRAWN:
            continue
        if any(entry.get("system") == READING_KEY for entry in report.get("identifier", ())):
            if status not in UNSIGNED:
                return None
            # One reading that succeeded counts more than any that did not.
            failed = str(report.get("conclusion", "")).startswith(UNREAD)
            state = "ai_failed" if failed and state != "ai_only" else "ai_only"
        elif status != "registered":
            return None
    return state
