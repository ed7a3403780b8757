"""Prefetch templates and the data behind them (CDS Hooks 2.0, "Prefetch Template")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from sandbox.errors import CdsProblem, FhirProblem
from sandbox.fhir.guard import GuardedRecords
from sandbox.fhir.searchset import searchset

_TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
_QUERY = re.compile(r"([A-Z][A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64})|\?([^#\s]+))")


def resolve(template: str, context: Mapping[str, str]) -> str:
    """Put the context into a template.

    Parameters
    ----------
    template : str
        ``Patient/{{context.patientId}}``.
    context : mapping
        Fields of the hook's context.

    Raises
    ------
    CdsProblem
        It names what the hook's context does not have.
    """

    def value(found: re.Match[str]) -> str:
        place, _, name = found[1].strip().partition(".")
        if place == "context" and name in context:
            return quote(context[name], safe="/")
        kind, _, user_id = context.get("userId", "").partition("/")
        if found[1].strip() == f"user{kind}Id" and user_id:
            return quote(user_id, safe="")
        raise CdsProblem("a prefetch template names what this hook does not have")

    return _TOKEN.sub(value, template)


def prefetch(
    templates: Mapping[str, str], context: Mapping[str, str], records: GuardedRecords
) -> dict[str, Any]:
    """Fetch what a service asked for, as far as its scopes reach.

    Parameters
    ----------
    templates : mapping
        By key.
    context : mapping
        Fields of the hook's context.
    records : GuardedRecords
        The records as the service may see them.

    Returns
    -------
    dict
        By key: a resource, a searchset Bundle, None for a record that is not there. Keys that
        may not or cannot be answered are left out, as the specification says.
    """
    found: dict[str, Any] = {}
    for key, template in templates.items():
        try:
            found[key] = _fetch(resolve(template, context), records)
        except FhirProblem as problem:
            if problem.status == 404:
                found[key] = None
        except CdsProblem:
            continue
    return found


def _fetch(path: str, records: GuardedRecords) -> Any:
    asked = _QUERY.fullmatch(path)
    if asked is None:
        raise CdsProblem("a prefetch template must be Type/id or Type?search")
    kind, resource_id, query = asked.groups()
    if resource_id is not None:
        return records.read(kind, resource_id)
    parameters = parse_qsl(query, keep_blank_values=True)
    return searchset(kind, parameters, records.search(kind, parameters), records.base)
