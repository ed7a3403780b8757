"""A search's answer, all of it or an error: what is not there is what the cards speak of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plugin.cds.shapes import OUTCOME, SEARCHSET, Misshapen, Shape, pick

Resources = tuple[Mapping[str, Any], ...]

HARMLESS = ("information", "warning")
# Issue types of FHIR R4 that say, whatever their severity, that something may have been left out.
NOT_ALL = frozenset(
    {
        "security", "login", "unknown", "expired", "forbidden", "suppressed",
        "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
        "too-long", "too-costly",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One Bundle of a search.

    Attributes
    ----------
    resources : tuple of mapping
        Those of the kind that was searched; what merely came along included: it is in the record.
    matches : frozenset
        Ids of those that matched.
    total : int
        How many match altogether, by the server's count; 0 where it does not say.
    is_last : bool
    """

    resources: Resources = field(repr=False)
    matches: frozenset[object] = field(repr=False)
    total: int
    is_last: bool


def read_page(bundle: object, kind: str, shape: Shape) -> Page:
    """Read one page of a search.

    Parameters
    ----------
    kind : str
        Type of the resources that were searched.
    shape : Shape
        What is taken over of each.

    Raises
    ------
    Misshapen
        It is no searchset, an entry cannot be read, or the server says that it left something out.

    References
    ----------
    FHIR R4, http.html#search, bundle.html#searchset
    """
    read = pick(bundle, SEARCHSET)
    if (read.get("resourceType"), read.get("type")) != ("Bundle", "searchset"):
        raise Misshapen("expected a searchset; got something else")
    following = [link.get("url") for link in read.get("link", ()) if link.get("relation") == "next"]
    if not all(following):
        raise Misshapen("expected the next page's address; got none")
    found = [one for entry in read.get("entry", ()) for one in _of_kind(entry, kind)]
    picked = tuple(pick(resource, shape) for _, resource in found)
    # One without an id cannot be told from another.
    matches = frozenset(
        one.get("id", place)
        for place, ((mode, _), one) in enumerate(zip(found, picked, strict=True))
        if mode == "match"
    )
    return Page(picked, matches, read.get("total", 0), not following)


def all_of(pages: Sequence[Page]) -> Resources:
    """Give what all pages of a search hold.

    Raises
    ------
    Misshapen
        A further page is missing, or the server counts more matches than it gave: the one that was
        not sent could be the report that somebody signed. A list that was changed between two
        pages may give one entry twice and another never; so each counts once.
    """
    if not pages or not pages[-1].is_last:
        raise Misshapen("expected every page; got fewer")
    if max(page.total for page in pages) > len(frozenset().union(*(p.matches for p in pages))):
        raise Misshapen("expected every match; got fewer")
    return tuple(resource for page in pages for resource in page.resources)


def _of_kind(entry: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Give mode and resource of an entry of this kind; nothing of one that says nothing of it."""
    resource = entry.get("resource", {})
    mode, its_kind = entry.get("search", {}).get("mode", "match"), resource.get("resourceType")
    if its_kind == kind and mode in ("match", "include"):
        return [(mode, resource)]
    if its_kind == "OperationOutcome":
        _require_harmless(resource)
    elif mode != "include" or not isinstance(its_kind, str):
        raise Misshapen("expected a match; got an entry of another kind")
    return []


def _require_harmless(outcome: Mapping[str, Any]) -> None:
    issues = pick(outcome, OUTCOME).get("issue", ())
    said = [(issue.get("severity"), issue.get("code")) for issue in issues]
    if not said or any(sev not in HARMLESS or code in NOT_ALL for sev, code in said):
        raise Misshapen("expected every match; the server says that some may be missing")
