"""Entries of transaction and batch Bundles (FHIR R4, "batch/transaction")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.errors import FhirProblem
from sandbox.fhir_backend import Resource, Written

MOST_ENTRIES = 500
_URN = re.compile(r"urn:uuid:[0-9a-fA-F-]{36}")
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_INSTANCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


@dataclass(frozen=True)
class Entry:
    """One entry, its request taken apart.

    Attributes
    ----------
    method : str
        ``GET``, ``POST`` or ``PUT``.
    kind : str
        Resource type.
    resource_id : str or None
        Of a read or an update.
    query : tuple of (str, str)
        Of a search.
    resource : dict
        What is to be written; empty for a GET.
    full_url : str or None
        ``urn:uuid:...``, by which other entries refer to this one.
    if_none_exist, if_match : str or None
    only_new : bool
        An update that must not find anything.
    """

    method: str
    kind: str
    resource_id: str | None
    query: tuple[tuple[str, str], ...]
    resource: Resource
    full_url: str | None = None
    if_none_exist: str | None = None
    if_match: str | None = None
    only_new: bool = False


def read_entries(bundle: Resource) -> list[Entry]:
    """Take a Bundle's entries apart.

    Raises
    ------
    FhirProblem
        400 for anything that is not an entry of a transaction or batch, 405 for other methods.
    """
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        raise FhirProblem(400, "structure", f"entry must be a list of at most {MOST_ENTRIES}")
    found = [read_entry(entry, number) for number, entry in enumerate(entries)]
    names = [entry.full_url for entry in found if entry.full_url]
    if len(set(names)) != len(names):
        raise FhirProblem(400, "duplicate", "each fullUrl may come once")
    return found


def read_entry(entry: Any, number: int) -> Entry:
    """Take one entry apart."""
    path = f"Bundle.entry[{number}]"
    asked = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str):
        raise FhirProblem(400, "required", "each entry needs request.method and .url", (path,))
    method, parts = asked.get("method"), urlsplit(asked["url"])
    if method not in ("GET", "POST", "PUT"):
        raise FhirProblem(405, "not-supported", "entries may GET, POST and PUT", (path,))
    instance = _INSTANCE.fullmatch(parts.path)
    kind = instance[1] if instance else parts.path
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    resource = entry.get("resource", {})
    _check_entry(method, kind, instance is not None, bool(query), resource, path)
    if method == "PUT" and instance and resource.get("id") != instance[2]:
        raise FhirProblem(400, "value", "the resource's id must be that of request.url", (path,))
    return Entry(
        method=method,
        kind=kind,
        resource_id=instance[2] if instance else None,
        query=query,
        resource=resource,
        full_url=_full_url(entry.get("fullUrl"), path),
        if_none_exist=asked.get("ifNoneExist"),
        if_match=read_version(asked.get("ifMatch")),
        only_new=read_only_new(asked.get("ifNoneMatch")),
    )


def _check_entry(
    method: str, kind: str, has_id: bool, has_query: bool, resource: Any, path: str
) -> None:
    if not _TYPE.fullmatch(kind) or (has_query and (has_id or method != "GET")):
        text = "request.url must be Type, Type/id, or Type?search for a GET"
        raise FhirProblem(400, "value", text, (f"{path}.request.url",))
    if method != "GET" and (not isinstance(resource, dict) or resource.get("resourceType") != kind):
        text = "the resource must be of the type that request.url names"
        raise FhirProblem(400, "value", text, (f"{path}.resource",))
    if method == "POST" and has_id:
        raise FhirProblem(400, "value", "a POST names a type", (f"{path}.request.url",))
    if method == "PUT" and not has_id:
        text = "a PUT names Type/id; conditional updates are not offered"
        raise FhirProblem(400, "not-supported", text, (f"{path}.request.url",))


def _full_url(value: Any, path: str) -> str | None:
    """A name for references between entries; only urn:uuid names something that is to come.

    Anything else could make a reference to another patient's record look like one to this entry.
    """
    if value is None or (isinstance(value, str) and value.startswith(("http://", "https://"))):
        return None
    if isinstance(value, str) and _URN.fullmatch(value):
        return value
    text = "fullUrl must be urn:uuid:... or an absolute address"
    raise FhirProblem(400, "value", text, (f"{path}.fullUrl",))


def read_version(tag: str | None) -> str | None:
    """Version id in an ETag, ``W/"1"`` (FHIR R4, "Managing Resource Contention").

    Raises
    ------
    FhirProblem
        400 when it is no ETag.
    """
    if tag is None:
        return None
    found = re.fullmatch(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"', tag.strip())
    if found is None:
        raise FhirProblem(400, "value", 'If-Match must look like W/"1"')
    return found[1]


def read_only_new(tag: str | None) -> bool:
    """Whether ``If-None-Match: *`` asks that nothing be there yet (RFC 9110 13.1.2).

    Raises
    ------
    FhirProblem
        400 for anything else than ``*``.
    """
    if tag not in (None, "*"):
        raise FhirProblem(400, "not-supported", "If-None-Match may only be *")
    return tag == "*"


def names_of_writes(entries: list[Entry]) -> dict[str, Resource]:
    """What a transaction will write, by every name that its entries may use for it."""
    coming: dict[str, Resource] = {}
    for entry in entries:
        if entry.method == "GET":
            continue
        address = f"{entry.kind}/{entry.resource_id}" if entry.resource_id else None
        coming.update({name: entry.resource for name in (entry.full_url, address) if name})
    return coming


def response_entry(written: Written) -> dict[str, Any]:
    """Entry of a response Bundle for a resource that was written."""
    resource = written.resource
    answer = {
        "status": "201 Created" if written.created else "200 OK",
        "location": f"{resource['resourceType']}/{resource['id']}/_history/{written.version}",
        **_version_of(resource),
    }
    return {"response": answer, "resource": resource}


def read_answer(resource: Resource) -> dict[str, Any]:
    """Entry of a response Bundle for a resource that was read."""
    return {"response": {"status": "200 OK", **_version_of(resource)}, "resource": resource}


def _version_of(resource: Resource) -> dict[str, str]:
    meta = resource.get("meta", {})
    found = {"etag": f'W/"{meta["versionId"]}"'} if "versionId" in meta else {}
    return {**found, "lastModified": meta["lastUpdated"]} if "lastUpdated" in meta else found
