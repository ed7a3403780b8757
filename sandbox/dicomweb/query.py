"""A search request (QIDO-RS, PS3.18 section 10.6) as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.dicomweb.attributes import keyword_of
from sandbox.dicomweb.errors import BadQuery

MOST_RESULTS = 1000


@dataclass(frozen=True)
class Query:
    """Keys, extra attributes and paging of one search.

    Parameters
    ----------
    keys : tuple of (str, str)
        Keyword and the value that it must match.
    include : frozenset of str
        Keywords asked for in addition.
    include_all : bool
        ``includefield=all``.
    limit, offset : int
        Paging; at most `MOST_RESULTS` results at a time.
    warnings : tuple of str
        What was not done as asked; sent as Warning header.
    """

    keys: tuple[tuple[str, str], ...] = ()
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int = MOST_RESULTS
    offset: int = 0
    warnings: tuple[str, ...] = ()


def parse_query(arguments: Sequence[tuple[str, str]]) -> Query:
    """Read the query parameters of a search.

    Raises
    ------
    BadQuery
        Unknown attribute, repeated key, or a limit that is no number.
    """
    keys: dict[str, str] = {}
    include: set[str] = set()
    paging = {"limit": MOST_RESULTS, "offset": 0}
    warnings: list[str] = []
    for name, value in arguments:
        if name in paging:
            paging[name] = _number(name, value)
        elif name == "includefield":
            include.update(field.strip() for field in value.split(",") if field.strip())
        elif name == "fuzzymatching":
            if value.lower() == "true":
                warnings.append("The fuzzymatching parameter is not supported")
        elif name != "accept":
            keyword = keyword_of(name)
            if keyword in keys:
                raise BadQuery(f"A matching key may be given once; got {keyword} twice")
            keys[keyword] = value
    everything = "all" in include
    wanted = frozenset(keyword_of(field) for field in include - {"all"})
    limit = min(paging["limit"], MOST_RESULTS)
    return Query(tuple(keys.items()), wanted, everything, limit, paging["offset"], tuple(warnings))


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise BadQuery(f"{name} must be a number from 0 up; got {value[:20]!r}")
    return int(value)
