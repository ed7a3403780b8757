"""Searchset Bundles (FHIR R4, "Search Response")."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from sandbox.fhir_backend import Parameters, Resource, SearchPage


def searchset(kind: str, asked: Parameters, page: SearchPage, base: str) -> Resource:
    """Make the Bundle of one page.

    Parameters
    ----------
    kind : str
    asked : sequence of (str, str)
        Parameters as the client gave them, for the links.
    page : SearchPage
    base : str
        FHIR base.
    """
    without_page = [(name, value) for name, value in asked if name != "_page"]
    links = [{"relation": "self", "url": _address(base, kind, asked)}]
    if page.next_page is not None:
        following = [*without_page, ("_page", page.next_page)]
        links.append({"relation": "next", "url": _address(base, kind, following)})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if page.total is not None:
        bundle["total"] = page.total
    entries = [_entry(base, match, "match") for match in page.matches]
    entries += [_entry(base, found, "include") for found in page.includes]
    return {**bundle, "entry": entries} if entries else bundle  # R4 has no empty lists.


def _address(base: str, kind: str, parameters: Parameters) -> str:
    return f"{base}/{kind}?{urlencode(parameters)}" if parameters else f"{base}/{kind}"


def _entry(base: str, resource: Resource, mode: str) -> dict[str, Any]:
    address = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}
