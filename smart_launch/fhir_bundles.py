"""FHIR R4 search results (bundle.html, http.html#paging)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smart_launch.errors import FhirUnavailable

Resource = dict[str, Any]


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


def next_link(bundle: Resource) -> str | None:
    """Address of the next page as the server wrote it, unchecked; None on the last page."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            address = link.get("url")
            if isinstance(address, str) and address:
                return address
    return None
