"""What a resource can be found by: its search terms."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.fhir.dates import interval_of
from sandbox.fhir.elements import local_reference, values_at
from sandbox.fhir.search_parameters import SearchParameter, parameters_of

_OPEN_START, _OPEN_END = -1e15, 1e15


@dataclass(frozen=True)
class Term:
    """One term of the index.

    Attributes
    ----------
    parameter : str
        Name of the search parameter.
    system : str
        Code system; for a string its exact spelling.
    value : str
        Code, ``Type/id``, or the string folded for comparison.
    low, high : float
        Interval of a date, in seconds since 1970; high is the first instant after it.
    """

    parameter: str
    system: str = ""
    value: str = ""
    low: float = 0.0
    high: float = 0.0


def fold(text: str) -> str:
    """Text without case and accents, as FHIR compares strings."""
    spread = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in spread if not unicodedata.combining(letter)).casefold()


def terms_of(resource: dict[str, Any]) -> list[Term]:
    """Every term that a resource can be found by."""
    found: dict[Term, None] = {}
    for parameter in parameters_of(resource["resourceType"]).values():
        for path in parameter.paths:
            for value in values_at(resource, path):
                found.update(dict.fromkeys(_terms(parameter, value)))
    return list(found)


def _terms(parameter: SearchParameter, value: Any) -> Iterator[Term]:
    if parameter.kind == "token":
        yield from _tokens(parameter.name, value)
    elif parameter.kind == "reference":
        yield from _references(parameter, value)
    elif parameter.kind == "date":
        yield from _dates(parameter.name, value)
    else:
        yield from _strings(parameter.name, value)


def _tokens(name: str, value: Any) -> Iterator[Term]:
    if isinstance(value, bool):
        yield Term(name, value="true" if value else "false")
    elif isinstance(value, str):
        yield Term(name, value=value)
    elif isinstance(value, dict) and "coding" in value:
        for coding in value["coding"]:
            yield from _tokens(name, coding)
    elif isinstance(value, dict):
        code = value.get("code") or value.get("value")  # Coding or Identifier
        if code:
            yield Term(name, value.get("system", ""), code)


def _references(parameter: SearchParameter, value: Any) -> Iterator[Term]:
    reference = value.get("reference", "") if isinstance(value, dict) else ""
    local = local_reference(reference)
    if local is None:
        if reference and not reference.startswith("#"):
            yield Term(parameter.name, value=reference)
    elif not parameter.targets or local[0] in parameter.targets:
        yield Term(parameter.name, value="/".join(local))


def _dates(name: str, value: Any) -> Iterator[Term]:
    if isinstance(value, str):
        low, high = interval_of(value)
        yield Term(name, low=low, high=high)
    elif isinstance(value, dict):
        low = interval_of(value["start"])[0] if "start" in value else _OPEN_START
        high = interval_of(value["end"])[1] if "end" in value else _OPEN_END
        yield Term(name, low=low, high=high)


def _strings(name: str, value: Any) -> Iterator[Term]:
    if isinstance(value, str):
        yield Term(name, value, fold(value))
    elif isinstance(value, dict):
        for part in ("text", "family", "given", "prefix", "suffix"):
            for text in values_at(value, part):
                yield Term(name, text, fold(text))
