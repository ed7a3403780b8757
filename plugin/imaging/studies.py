"""The patient's imaging studies: list them, find one, and know where its images lie.

SMART Imaging Access (Argonaut draft): `ImagingStudy?patient=X&_include=ImagingStudy:endpoint`;
Endpoints may be contained or separate, on the study or on a series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugin.errors import PluginError
from plugin.imaging.endpoints import ArchiveRules, endpoint_references
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import (
    Study,
    read_study_resource,
)
from plugin.imaging.subjects import of_patient
from smart_launch.errors import FhirForbidden, FhirNotFound, FhirRejected
from smart_launch.fhir_bundles import SearchResult

if TYPE_CHECKING:
    from plugin.record import Record

NEXT_STEP = {
    "no_series": "Wait until the images have arrived, then open the study again.",
    "endpoint_refused": "Ask your Wetread administrator to register the archive.",
    "no_model": "Try again in a minute.",
}


ENDPOINTS = "ImagingStudy:endpoint"
PATIENT = "ImagingStudy:patient"


class StudyError(PluginError):
    """A study that cannot be found or read."""

    code = "study_not_found"
    title = "This study cannot be read"
    next_step = "Choose another study."
    status = 404


@dataclass(frozen=True)
class FoundStudy:
    """A study and the patients that the record sent along with it.

    Attributes
    ----------
    patients : mapping
        Patient id to resource, as the record holds them now; empty where it includes none.
    """

    study: Study
    patients: Mapping[str, Mapping[str, Any]]


def list_studies(
    record: Record, patient: str, rules: ArchiveRules, modalities: Iterable[str]
) -> list[Study]:
    """List the patient's studies, newest first.

    Parameters
    ----------
    modalities : iterable of str
        What the installed models read; empty: no model is there.
    """
    found = _search(record, {"patient": patient}, (ENDPOINTS,))
    studies = of_patient(record, patient, _of_type(found.matches, "ImagingStudy"))
    endpoints = _by_id(found.included, "Endpoint")
    endpoints |= _missing_endpoints(record, studies, endpoints)
    kinds = frozenset(modalities)
    read = [read_study_resource(s, endpoints, rules, kinds) for s in studies]
    return sorted(read, key=lambda study: study.started or "", reverse=True)


def find_study(
    record: Record, patient: str, study_id: str, rules: ArchiveRules, modalities: Iterable[str]
) -> FoundStudy:
    """Find one study of the patient that can be read; the patient comes along where the record may.

    Raises
    ------
    StudyError
        The patient has no such study, or it cannot be read; the code says why.
    """
    found = _search(record, {"patient": patient, "_id": study_id}, (ENDPOINTS, PATIENT))
    match = [s for s in _of_type(found.matches, "ImagingStudy") if s.get("id") == study_id]
    if not match:
        raise StudyError(
            "The study must be one of the open patient's; the chart has no such study."
        )
    endpoints = _by_id(found.included, "Endpoint")
    endpoints |= _missing_endpoints(record, match, endpoints)
    study = read_study_resource(match[0], endpoints, rules, frozenset(modalities))
    if study.why_not is not None:
        raise StudyError(
            study.why_not_sentence() or "",
            code=study.why_not,
            next_step=NEXT_STEP.get(study.why_not),
            status=409,
        )
    return FoundStudy(study, _by_id(found.included, "Patient"))


def _search(record: Record, parameters: Mapping[str, str], includes: Sequence[str]) -> SearchResult:
    """Search with what belongs to the studies, in one request where the record does that."""
    refused = False
    if record.offers("include"):
        try:
            return record.search_bundle("ImagingStudy", {**parameters, "_include": includes})
        except (FhirRejected, FhirForbidden):
            # Perhaps of _include only; what is missing is read by itself then, as far as allowed.
            refused = True
    found = record.search_bundle("ImagingStudy", parameters)
    if refused:
        record.note_refused("include")
    return found


def _of_type(resources: Iterable[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in resources if one.get("resourceType") == kind]


def _by_id(resources: Iterable[Mapping[str, Any]], kind: str) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("id")): one for one in _of_type(resources, kind)}


def _missing_endpoints(
    record: Record, studies: Iterable[Mapping[str, Any]], known: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Read the Endpoints that a server without `_include` did not send along, each once."""
    references = [reference for study in studies for reference in endpoint_references(study)]
    wanted = {local_id(reference, "Endpoint", record.base_url) for reference in references}
    found: dict[str, Mapping[str, Any]] = {}
    for identity in wanted - set(known):
        if identity is None:
            continue
        try:
            found[identity] = record.read("Endpoint", identity)
        except (FhirForbidden, FhirNotFound):
            continue
    return found
