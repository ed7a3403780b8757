"""From search parameters to a SELECT over the index (FHIR R4, "Search")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select

from sandbox.errors import FhirProblem
from sandbox.fhir.dates import interval_of
from sandbox.fhir.elements import local_reference
from sandbox.fhir.index import fold
from sandbox.fhir.search_parameters import SearchParameter, parameters_of, split_name
from sandbox.fhir.tables import resources, terms
from sandbox.fhir_backend import Parameters

LARGEST_PAGE = 200
_PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})


def split_values(text: str, separator: str = ",") -> list[str]:
    r"""Split at a separator that is not escaped by a backslash (R4, "Escaping")."""
    parts, current, escaped = [], "", False
    for letter in text:
        if escaped:
            current, escaped = current + "\\" + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == separator:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [*parts, current + ("\\" if escaped else "")]


def _plain(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


@dataclass(frozen=True)
class SearchPlan:
    """A search, ready to run.

    Attributes
    ----------
    rows : sqlalchemy.Select
        Bodies of the matches, sorted, without limit.
    total : sqlalchemy.Select
        Their number.
    count, offset : int
        The page that is wanted.
    includes : tuple of str
        Values of ``_include``.
    """

    rows: Select[str]
    total: Select[int]
    count: int
    offset: int
    includes: tuple[str, ...]


def plan_search(kind: str, parameters: Parameters, base: str, page_size: int) -> SearchPlan:
    """Plan a search of one type.

    Raises
    ------
    FhirProblem
        400 for anything that is not supported or not well formed.
    """
    parameters_of(kind)
    where: list[ColumnElement[bool]] = [resources.c.kind == kind]
    count, offset, order, includes = page_size, 0, "", []
    for name, value in parameters:
        if name == "_count":
            count = min(_whole_number(name, value), LARGEST_PAGE)
        elif name == "_page":
            offset = _whole_number(name, value)
        elif name == "_sort":
            order = value
        elif name == "_include":
            includes.append(value)
        else:
            where.append(_condition(kind, name, value, base))
    rows = select(resources.c.body).where(*where).order_by(*_order(kind, order))
    total = select(func.count()).select_from(resources).where(*where)
    return SearchPlan(rows, total, count, offset, tuple(includes))


def _whole_number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise FhirProblem(400, "invalid", f"{name} must be a whole number")
    return int(text)


def _condition(kind: str, name: str, text: str, base: str) -> ColumnElement[bool]:
    parameter, modifier = split_name(kind, name)
    if not text:
        raise FhirProblem(400, "invalid", f"{parameter.name} must have a value")
    if modifier == "missing":
        return _missing(kind, parameter, text)
    any_of = or_(
        false(), *(_matches(parameter, modifier, value, base) for value in split_values(text))
    )
    found = _ids_with(kind, parameter, any_of)
    return not_(found) if modifier == "not" else found


def _ids_with(
    kind: str, parameter: SearchParameter, matches: ColumnElement[bool]
) -> ColumnElement[bool]:
    ids = select(terms.c.id).where(
        terms.c.kind == kind, terms.c.parameter == parameter.name, matches
    )
    return resources.c.id.in_(ids)


def _missing(kind: str, parameter: SearchParameter, text: str) -> ColumnElement[bool]:
    if text not in ("true", "false"):
        raise FhirProblem(400, "invalid", ":missing must be true or false")
    present = _ids_with(kind, parameter, terms.c.parameter == parameter.name)
    return not_(present) if text == "true" else present


def _matches(
    parameter: SearchParameter, modifier: str, value: str, base: str
) -> ColumnElement[bool]:
    if parameter.kind == "token":
        return _token_matches(value)
    if parameter.kind == "reference":
        return terms.c.value.in_(_reference_values(parameter, modifier, _plain(value), base))
    if parameter.kind == "date":
        return _date_matches(parameter, value)
    return _string_matches(modifier, _plain(value))


def _token_matches(value: str) -> ColumnElement[bool]:
    parts = [_plain(part) for part in split_values(value, "|")]
    if len(parts) == 1:
        return terms.c.value == parts[0]
    if len(parts) > 2:
        raise FhirProblem(400, "invalid", "a token is code, system|code, |code or system|")
    system, code = parts
    if not code:
        return terms.c.system == system
    return and_(terms.c.system == system, terms.c.value == code)


def _reference_values(
    parameter: SearchParameter, modifier: str, value: str, base: str
) -> list[str]:
    relative = value.removeprefix(f"{base}/")
    local = local_reference(relative)
    targets = (modifier,) if modifier else parameter.targets
    if local is not None:
        return ["/".join(local)] if not modifier or local[0] == modifier else []
    if "/" in value or ":" in value:
        return [value]  # An absolute address elsewhere is compared as it stands.
    if not targets:
        raise FhirProblem(400, "invalid", f"{parameter.name} needs Type/id")
    return [f"{target}/{value}" for target in targets]


def _date_matches(parameter: SearchParameter, value: str) -> ColumnElement[bool]:
    prefix = value[:2] if value[:2] in _PREFIXES else ""
    try:
        low, high = interval_of(value[len(prefix) :])
    except ValueError as error:
        raise FhirProblem(400, "invalid", f"{parameter.name}: {error}") from error
    if prefix == "ap":
        raise FhirProblem(400, "not-supported", "the prefix ap is not supported")
    inside = and_(terms.c.low >= low, terms.c.high <= high)
    choices: dict[str, ColumnElement[bool]] = {
        "eq": inside,
        "ne": not_(inside),
        "gt": terms.c.high > high,
        "lt": terms.c.low < low,
        "ge": or_(inside, terms.c.high > high),
        "le": or_(inside, terms.c.low < low),
        "sa": terms.c.low >= high,
        "eb": terms.c.high <= low,
    }
    return choices[prefix or "eq"]


def _string_matches(modifier: str, value: str) -> ColumnElement[bool]:
    if modifier == "exact":
        return terms.c.system == value
    if modifier == "contains":
        return terms.c.value.contains(fold(value), autoescape=True)
    return terms.c.value.startswith(fold(value), autoescape=True)


def _order(kind: str, text: str) -> list[ColumnElement[object]]:
    """Sort keys of ``_sort``; the id comes last, so that pages never overlap."""
    order: list[ColumnElement[object]] = []
    for key in filter(None, text.split(",")):
        name = key.removeprefix("-")
        parameter = parameters_of(kind).get(name)
        if parameter is None:
            raise FhirProblem(400, "not-supported", f"_sort knows only parameters of {kind}")
        column = terms.c.low if parameter.kind == "date" else terms.c.value
        value = (
            select(func.min(column))
            .where(terms.c.kind == kind, terms.c.id == resources.c.id, terms.c.parameter == name)
            .scalar_subquery()
        )
        order.append(value.desc() if key.startswith("-") else value.asc())
    return [*order, resources.c.updated.desc(), resources.c.id.asc()]
