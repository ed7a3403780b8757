"""The patient's imaging studies: list them, find one, and know where its images lie.

SMART Imaging Access (Argonaut draft): `ImagingStudy?patient=X&_include=ImagingStudy:endpoint`;
Endpoints may be contained or separate, on the study or on a series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from plugin.errors import PluginError
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import (
    ArchiveRules,
    Study,
    endpoint_references,
    read_study_resource,
)
from plugin.imaging.subjects import of_patient
from smart_launch.errors import FhirForbidden, FhirNotFound, FhirRejected

if TYPE_CHECKING:
    from plugin.record import Record

NEXT_STEP = {
    "no_series": "Wait until the images have arrived, then open the study again.",
    "endpoint_refused": "Ask your Wetread administrator to register the archive.",
    "no_model": "Try again in a minute.",
}


class StudyError(PluginError):
    """A study that cannot be found or read."""

    code = "study_not_found"
    title = "This study cannot be read"
    next_step = "Choose another study."
    status = 404


def list_studies(
    record: Record, patient: str, rules: ArchiveRules, modalities: Iterable[str]
) -> list[Study]:
    """List the patient's studies, newest first.

    Parameters
    ----------
    modalities : iterable of str
        What the installed models read; empty: no model is there.
    """
    params = {"patient": patient, "_include": "ImagingStudy:endpoint"}
    listed, endpoints = _search(record, params)
    studies = of_patient(record, patient, listed)
    endpoints |= _missing_endpoints(record, studies, endpoints)
    kinds = frozenset(modalities)
    found = [read_study_resource(s, endpoints, rules, kinds) for s in studies]
    return sorted(found, key=lambda study: study.started or "", reverse=True)


def find_study(
    record: Record, patient: str, study_id: str, rules: ArchiveRules, modalities: Iterable[str]
) -> Study:
    """Find one study of the patient that can be read.

    Raises
    ------
    StudyError
        The patient has no such study, or it cannot be read; the code says why.
    """
    params = {"patient": patient, "_id": study_id, "_include": "ImagingStudy:endpoint"}
    studies, endpoints = _search(record, params)
    match = [s for s in studies if s.get("id") == study_id]
    if not match:
        raise StudyError(
            "The study must be one of the open patient's; the chart has no such study."
        )
    endpoints |= _missing_endpoints(record, match, endpoints)
    study = read_study_resource(match[0], endpoints, rules, frozenset(modalities))
    if study.why_not is not None:
        raise StudyError(
            study.why_not_sentence() or "",
            code=study.why_not,
            next_step=NEXT_STEP.get(study.why_not),
            status=409,
        )
    return study


def _search(
    record: Record, params: Mapping[str, str]
) -> tuple[list[Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    try:
        found = record.search_bundle("ImagingStudy", params)
    except (FhirRejected, FhirForbidden):
        # No _include, or not of Endpoints; they are read one by one then, as far as allowed.
        plain = {name: value for name, value in params.items() if name != "_include"}
        found = record.search_bundle("ImagingStudy", plain)
    studies: list[Mapping[str, Any]] = [
        r for r in found.matches if r.get("resourceType") == "ImagingStudy"
    ]
    endpoints: dict[str, Mapping[str, Any]] = {
        str(r.get("id")): r for r in found.included if r.get("resourceType") == "Endpoint"
    }
    return studies, endpoints


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
