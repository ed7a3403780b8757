"""FHIR R4 search results (bundle.html, http.html#paging)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from smart_launch.errors import FhirUnavailable
from smart_launch.stored import bare_etag

Resource = dict[str, Any]


@dataclass(frozen=True)
class PastVersion:
    """One version of an entry; `resource` is None where it was deleted."""

    version: str | None
    resource: Resource | None = field(repr=False)


@dataclass(frozen=True)
class SearchResult:
    """All pages of a search: what matched, and what ``_include`` brought along."""

    matches: tuple[Resource, ...] = field(repr=False)
    included: tuple[Resource, ...] = field(repr=False)


def search_result(entries: Iterable[tuple[str, Resource]]) -> SearchResult:
    """Sort the entries of all pages, as `bundle_entries` gives them."""
    found = list(entries)
    return SearchResult(
        tuple(resource for mode, resource in found if mode == "match"),
        tuple(resource for mode, resource in found if mode == "include"),
    )


def bundle_entries(bundle: Resource, resource_type: str) -> Iterator[tuple[str, Resource]]:
    """Yield mode (``match``, ``include``, ``outcome``) and resource of every entry.

    Servers that leave the mode out are read by type, and what claims to match but is of another
    type does not: nobody downstream would look.

    Raises
    ------
    FhirUnavailable
        ``not_fhir`` when it is no Bundle.
    """
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise FhirUnavailable("not_fhir", "The record system's answer is not a list of entries.")
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        search = entry.get("search")
        mode = search.get("mode") if isinstance(search, dict) else None
        is_of_type = resource.get("resourceType") == resource_type
        if mode not in ("include", "outcome"):
            mode = "match" if is_of_type else "include"
        yield mode, resource


def past_versions(bundle: Resource, resource_type: str, resource_id: str) -> Iterator[PastVersion]:
    """Yield the versions of one entry as its history lists them, newest first.

    Raises
    ------
    FhirUnavailable
        ``not_fhir``; ``wrong_resource`` when another entry is among them.

    References
    ----------
    FHIR R4, http.html#history
    """
    if bundle.get("resourceType") != "Bundle" or not isinstance(bundle.get("entry", []), list):
        raise FhirUnavailable("not_fhir", "The record system's answer is not a list of entries.")
    for entry in bundle.get("entry", []):
        parts = entry if isinstance(entry, dict) else {}
        resource, response = parts.get("resource"), parts.get("response")
        if not isinstance(resource, dict):
            yield PastVersion(None, None)
            continue
        if (resource.get("resourceType"), resource.get("id")) != (resource_type, resource_id):
            raise FhirUnavailable("wrong_resource", "A history must be of the entry asked for.")
        meta = resource.get("meta")
        version = meta.get("versionId") if isinstance(meta, dict) else None
        etag = response.get("etag") if isinstance(response, dict) else None
        yield PastVersion(str(version or "") or bare_etag(str(etag or "")) or None, resource)


def next_link(bundle: Resource) -> str | None:
    """Address of the next page as the server wrote it, unchecked; None on the last page."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            address = link.get("url")
            if isinstance(address, str) and address:
                return address
    return None
