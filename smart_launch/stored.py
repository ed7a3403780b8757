"""FHIR R4, the answer to create and update (http.html#create, http.html#versions)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from smart_launch.answer import Answer
from smart_launch.errors import FhirUnavailable
from smart_launch.fhir_addresses import resource_path, split_location
from smart_launch.fhir_answers import resource_of

Resource = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A resource as the server holds it.

    Parameters
    ----------
    resource : dict
        As returned; what was sent, with its id, where the server returns nothing.
    id : str
        Logical id.
    version : str or None
        For ``if_match``; None when the server names none.
    location : str
        ``Type/id``.
    created : bool
        False when it existed already (If-None-Exist, update).
    """

    resource: Resource = field(repr=False)
    id: str
    version: str | None
    location: str
    created: bool = False


def read_stored(answer: Answer, resource_type: str, sent: Resource, own_id: str | None) -> Stored:
    """Find out what the server stored, from its answer to a create or an update.

    Parameters
    ----------
    sent : dict
        What was sent.
    own_id : str or None
        Id of an update; None for a create, where the server chooses.

    Raises
    ------
    FhirUnavailable
        ``id_missing``.
    """
    returned = resource_of(answer) if answer.body.strip() else {}
    if returned.get("resourceType") != resource_type:
        returned = {}  # nothing, or an OperationOutcome, although a representation was preferred
    located_id, located_version = split_location(
        answer.headers.get("Location") or answer.headers.get("Content-Location")
    )
    resource_id = own_id or returned.get("id") or located_id
    if not isinstance(resource_id, str) or returned.get("id", resource_id) != resource_id:
        raise FhirUnavailable(
            "id_missing", "The record system did not say where it stored the entry.",
            status=answer.status,
        )  # fmt: skip
    resource = returned or {**sent, "id": resource_id}
    version = version_of(answer, returned) or located_version
    location = resource_path(resource_type, resource_id)
    return Stored(resource, resource_id, version, location, created=answer.status == 201)


def version_of(answer: Answer, resource: Resource) -> str | None:
    """Version from the ETag; from ``meta`` for servers that send none."""
    etag = bare_etag(answer.headers.get("ETag", ""))
    if etag:
        return etag
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def bare_etag(etag: str) -> str:
    """Version inside an ETag, weak or strong, quoted or not."""
    return "".join(c for c in etag.strip().removeprefix("W/").strip('"') if "!" <= c <= "~")
