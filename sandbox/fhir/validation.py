"""Whether a resource may be stored: R4 structure, required codes, references, attachments.

The structure is checked with fhir.resources (R4B, which differs from R4 in none of the types kept
here); it takes any code, so the codes whose binding is *required* are listed below.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from sandbox.errors import FhirProblem
from sandbox.fhir.elements import local_reference, references_in, values_at
from sandbox.fhir.search_parameters import PARAMETERS

MOST_ISSUES = 20

_REPORT = "registered partial preliminary final amended corrected appended cancelled"
_OBSERVATION = "registered preliminary final amended corrected cancelled"
_REQUEST = "draft active on-hold revoked completed entered-in-error unknown"
_INTENT = (
    "unknown proposal plan order original-order reflex-order filler-order instance-order option"
)
_TASK = (
    "draft requested received accepted rejected ready cancelled in-progress on-hold failed "
    "completed entered-in-error"
)
REQUIRED_CODES: dict[tuple[str, str], frozenset[str]] = {
    (kind, path): frozenset(codes.split())
    for (kind, path), codes in {
        ("DiagnosticReport", "status"): f"{_REPORT} entered-in-error unknown",
        ("Observation", "status"): f"{_OBSERVATION} entered-in-error unknown",
        ("ImagingStudy", "status"): "registered available cancelled entered-in-error unknown",
        ("Patient", "gender"): "male female other unknown",
        ("Practitioner", "gender"): "male female other unknown",
        ("Endpoint", "status"): "active suspended error off entered-in-error test",
        ("Encounter", "status"): (
            "planned arrived triaged in-progress onleave finished cancelled entered-in-error "
            "unknown"
        ),
        ("Device", "status"): "active inactive entered-in-error unknown",
        ("Task", "status"): _TASK,
        ("Task", "intent"): _INTENT,
        ("ServiceRequest", "status"): _REQUEST,
        ("ServiceRequest", "intent"): f"directive {_INTENT}",
        ("Provenance", "entity.role"): "derivation revision quotation source removal",
    }.items()
}


def check_resource(resource: Any) -> None:
    """Refuse what is no valid R4 resource of a type that is kept here.

    Parameters
    ----------
    resource : dict
        JSON as it arrived.

    Raises
    ------
    FhirProblem
        400 when it is no resource at all, 422 with the paths when it breaks a rule.
    """
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        raise FhirProblem(400, "structure", "a resource is a JSON object with a resourceType")
    if kind not in PARAMETERS:
        raise FhirProblem(404, "not-supported", "this resource type is not kept here")
    for issues in (_empties, _structure, _codes, _contained, _attachments):
        found = tuple(issues(resource))[:MOST_ISSUES]
        if found:
            texts = "; ".join(f"{path}: {rule}" for path, rule in found)
            raise FhirProblem(422, "structure", texts, tuple(path for path, _ in found))


def _empties(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """R4, "JSON Representation": no nulls, no empty objects, arrays or strings."""
    path = path or node["resourceType"]
    for name, value in node.items():
        inner = f"{path}.{name}"
        if value in (None, "", [], {}):
            yield inner, "must not be empty"
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _empties(item, inner)


def _structure(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind = resource["resourceType"]
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            path = ".".join([kind, *(str(part) for part in problem["loc"])])
            yield path, problem["msg"]


def _codes(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for (kind, path), allowed in REQUIRED_CODES.items():
        if kind == resource["resourceType"]:
            for value in values_at(resource, path):
                if value not in allowed:
                    yield f"{kind}.{path}", f"must be one of {', '.join(sorted(allowed))}"


def _contained(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """R4 dom-2 to dom-5: contained resources have ids, no contents and are referred to."""
    kind = resource["resourceType"]
    inside = resource.get("contained", [])
    ids = [item.get("id") for item in inside]
    if None in ids or len(set(ids)) != len(ids):
        yield f"{kind}.contained", "each needs an id of its own"
    if any("contained" in item for item in inside):
        yield f"{kind}.contained", "must not contain further resources"
    used = {h["reference"] for _, h in references_in(resource) if h["reference"].startswith("#")}
    for reference in sorted(used - {f"#{name}" for name in ids} - {"#"}):
        yield kind, f"{reference} refers to nothing that is contained"
    for name in ids:
        if name is not None and f"#{name}" not in used:
            yield f"{kind}.contained", "each must be referred to"


def _attachments(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Attachment.hash is the base64 SHA-1 of the data, size its length (R4, Attachment)."""
    for attachment in values_at(resource, "presentedForm"):
        if "data" not in attachment:
            continue
        try:
            data = base64.b64decode(attachment["data"], validate=True)
        except (binascii.Error, ValueError):
            yield "presentedForm.data", "must be base64"
            continue
        digest = base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
        if attachment.get("hash", digest) != digest:
            yield "presentedForm.hash", "must be the base64 SHA-1 of the data"
        if attachment.get("size", len(data)) != len(data):
            yield "presentedForm.size", "must be the length of the data in bytes"


def check_reference_forms(resource: dict[str, Any]) -> None:
    """Refuse references that no server can resolve.

    Raises
    ------
    FhirProblem
        422 with the path: a literal reference must be ``Type/id``, ``#id`` or an absolute address.
    """
    for path, holder in references_in(resource):
        reference = holder["reference"]
        absolute = reference.startswith(("http://", "https://", "#"))
        if not absolute and local_reference(reference) is None:
            text = "a reference must be Type/id, #id or an absolute address"
            raise FhirProblem(422, "value", text, (path,))
