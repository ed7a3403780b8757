"""Several questions in one request: FHIR R4 batch Bundles of reads and searches.

Pure: it writes the Bundle and takes the answer apart. Each question has an answer of its own, so a
refusal of one says nothing about the others.

References
----------
FHIR R4, http.html#transaction
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from smart_launch.answer import Answer
from smart_launch.errors import FhirError, FhirForbidden, FhirNotFound, FhirUnavailable
from smart_launch.fhir_addresses import require_type, resource_path
from smart_launch.fhir_answers import require_success
from smart_launch.fhir_bundles import SearchResult
from smart_launch.stored import Stored, version_of

Resource = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]

_STATUS = re.compile(r"[1-5][0-9][0-9]\b")


@dataclass(frozen=True)
class Read:
    """Ask for one resource."""

    resource_type: str
    resource_id: str

    @property
    def address(self) -> str:
        """The address, relative to the server's base."""
        return resource_path(self.resource_type, self.resource_id)


@dataclass(frozen=True)
class Search:
    """Ask for what matches; `parameters` in order, a name may come more than once."""

    resource_type: str
    parameters: Pairs

    @property
    def address(self) -> str:
        """The address, relative to the server's base."""
        require_type(self.resource_type)
        return f"{self.resource_type}?{urlencode(self.parameters)}"


Question = Read | Search
# What the server says of one question; an error is an answer as well.
Answered = Stored | SearchResult | FhirForbidden | FhirNotFound


def batch_of(questions: Sequence[Question]) -> Resource:
    """Write the Bundle that asks all of them."""
    entries = [{"request": {"method": "GET", "url": one.address}} for one in questions]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def entries_of(bundle: Resource, questions: Sequence[Question]) -> list[Mapping[str, Any]]:
    """Give the answer's entries, one for each question, in their order.

    Raises
    ------
    FhirUnavailable
        ``not_fhir``: whatever else it is, an answer to these questions it is not.
    """
    entries = bundle.get("entry")
    fits = bundle.get("resourceType") == "Bundle" and bundle.get("type") == "batch-response"
    if not fits or not isinstance(entries, list) or len(entries) != len(questions):
        raise FhirUnavailable("not_fhir", "The record system did not answer what it was asked.")
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def resource_in(entry: Mapping[str, Any]) -> Resource | FhirError:
    """Give the resource of one entry of a batch's or a transaction's answer, or its error.

    An entry without a readable status is an error too: it says nothing.
    """
    response = entry.get("response")
    response = response if isinstance(response, dict) else {}
    found = _STATUS.match(str(response.get("status") or ""))
    outcome = response.get("outcome") or entry.get("resource") or {}
    status = int(found[0]) if found else 500
    try:
        require_success(Answer(status, {}, json.dumps(outcome).encode()))
    except FhirError as error:
        return error
    resource = entry.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return FhirUnavailable("not_fhir", "The record system's answer is not a FHIR resource.")
    return resource


def stored_in(entry: Mapping[str, Any], asked: Read) -> Stored | FhirError:
    """Give what an entry read, with its version.

    Raises
    ------
    FhirUnavailable
        ``wrong_resource``: another one would be shown as the one asked for.
    """
    resource = resource_in(entry)
    if isinstance(resource, FhirError):
        return resource
    if (resource["resourceType"], resource.get("id")) != (asked.resource_type, asked.resource_id):
        raise FhirUnavailable(
            "wrong_resource",
            "The record system answered with another entry than the one asked for.",
        )
    response = entry.get("response") or {}
    headers = {"ETag": str(response.get("etag") or "")}
    version = version_of(Answer(200, headers, b""), resource)
    return Stored(resource, asked.resource_id, version, asked.address)


def read_from(answer: Answered) -> Stored:
    """Give what a `Read` found.

    Raises
    ------
    FhirForbidden, FhirNotFound
        Where that was the answer.
    """
    if isinstance(answer, FhirError):
        raise answer
    if not isinstance(answer, Stored):
        raise TypeError("A Read is answered with one resource; this is the answer to a Search.")
    return answer


def matches_from(answer: Answered) -> tuple[Resource, ...]:
    """Give what a `Search` found.

    Raises
    ------
    FhirForbidden, FhirNotFound
        Where that was the answer.
    """
    if isinstance(answer, FhirError):
        raise answer
    if isinstance(answer, Stored):
        raise TypeError("A Search is answered with a list; this is the answer to a Read.")
    return answer.matches
