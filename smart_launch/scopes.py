"""SMART App Launch 2.2.0, "Scopes for requesting FHIR resources": v1 and v2 syntax compared.

The grammar is scopes-and-launch-context.html#fhir-resource-scope-syntax. A v1 ``read`` means
``rs``, ``write`` means ``cud``, ``*`` means everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SYNTAX = re.compile(
    r"(?P<level>patient|user|system)/(?P<resource>\*|[A-Z][A-Za-z]{0,63})"
    r"\.(?P<access>read|write|\*|c?r?u?d?s?)(?:\?(?P<query>\S+))?"
)
# Appendix: URI representation of scopes.
_URI_PREFIXES = (
    "http://smarthealthit.org/fhir/scopes/",
    "http://openid.net/specs/openid-connect-core-1_0#",
)
# What a granted scope of another name also allows.
_INCLUDED = {"online_access": ("offline_access",)}
_LEVELS = {"patient": ("patient", "user"), "user": ("user",), "system": ("system",)}


@dataclass(frozen=True)
class FhirScope:
    """A scope on FHIR resources.

    Parameters
    ----------
    level : str
        ``patient``, ``user`` or ``system``.
    resource : str
        A resource type, or ``*``.
    access : str
        Some of the letters ``cruds``, in this order.
    constraints : frozenset of (str, str)
        Search parameters that narrow it; empty for none.
    """

    level: str
    resource: str
    access: str
    constraints: frozenset[tuple[str, str]] = frozenset()

    def includes(self, other: FhirScope) -> bool:
        """Say whether this scope reaches every resource of the other, letters aside."""
        return (
            self.level in _LEVELS[other.level]
            and self.resource in ("*", other.resource)
            and self.constraints <= other.constraints
        )


@dataclass(frozen=True)
class MissingScope:
    """A needed scope that was not granted, and what that means in a sentence."""

    scope: str
    sentence: str


def parse(text: str) -> FhirScope | None:
    """Read a scope on FHIR resources; None for any other scope.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#fhir-resource-scope-syntax
    """
    match = _SYNTAX.fullmatch(_short(text))
    if match is None or not match["access"]:
        return None
    access = _V1.get(match["access"], match["access"])
    constraints = parse_qsl(match["query"] or "", keep_blank_values=True)
    if bool(match["query"]) != bool(constraints):
        return None
    return FhirScope(match["level"], match["resource"], access, frozenset(constraints))


def covers(granted: Iterable[str], needed: str) -> bool:
    """Say whether granted scopes, taken together, allow what a needed one asks for."""
    return _lacking(tuple(granted), needed) is None


def missing_scopes(needed: Iterable[str], granted: Iterable[str]) -> tuple[MissingScope, ...]:
    """Compare what is needed with what was granted.

    Parameters
    ----------
    needed, granted : iterable of str
        v1 or v2 syntax, also mixed.

    Returns
    -------
    tuple of MissingScope
        In the order of `needed`; of each only the letters that lack.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#wildcard-scopes
    """
    held = tuple(granted)
    lacking = (_lacking(held, scope) for scope in dict.fromkeys(needed))
    return tuple(MissingScope(scope, sentence(scope)) for scope in lacking if scope is not None)


def sentence(scope: str) -> str:
    """Say in plain words what cannot be done without a scope."""
    known = _SENTENCES.get(_short(scope))
    if known is not None:
        return known
    parsed = parse(scope)
    if parsed is None:
        return f"The record system did not grant “{scope}”."
    verbs = [_VERBS[letter] for letter in parsed.access]
    joined = verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} or {verbs[-1]}"
    things = _THINGS.get(parsed.resource, f"{parsed.resource} entries")
    whose = " of this patient" if parsed.level == "patient" and parsed.resource != "Patient" else ""
    return f"This app may not {joined} {things}{whose}."


def _lacking(granted: tuple[str, ...], needed: str) -> str | None:
    """Return the part of a needed scope that is not granted; None when all of it is."""
    wanted = parse(needed)
    if wanted is None:
        names = {_short(scope) for scope in granted}
        accepted = (_short(needed), *_INCLUDED.get(_short(needed), ()))
        return None if names.intersection(accepted) else needed
    held = {letter for scope in granted for letter in _letters_for(scope, wanted)}
    letters = "".join(letter for letter in wanted.access if letter not in held)
    if not letters:
        return None
    query = "?" + _short(needed).partition("?")[2] if wanted.constraints else ""
    return f"{wanted.level}/{wanted.resource}.{letters}{query}"


def _letters_for(granted: str, wanted: FhirScope) -> str:
    scope = parse(granted)
    return scope.access if scope is not None and scope.includes(wanted) else ""


def _short(scope: str) -> str:
    for prefix in _URI_PREFIXES:
        if scope.startswith(prefix):
            return scope.removeprefix(prefix)
    return scope


_VERBS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search for"}
_THINGS = {
    "*": "any entries",
    "Patient": "the patient's name and birth date",
    "Encounter": "visits",
    "ImagingStudy": "imaging studies",
    "Endpoint": "the addresses of the image archive",
    "DiagnosticReport": "reports",
    "Observation": "findings",
    "Provenance": "the record of how a result came about",
    "Device": "devices",
    "Practitioner": "the names of staff",
    "Task": "tasks",
    "ServiceRequest": "orders",
}
_SENTENCES = {
    "launch": "The record system did not say which chart this app was opened from.",
    "launch/patient": "The record system did not say which patient was chosen.",
    "launch/encounter": "The record system did not say which visit this belongs to.",
    "openid": "The record system did not say who you are.",
    "fhirUser": "The record system did not say which entry in its staff list is yours.",
    "online_access": "Access ends after a short time and cannot be prolonged.",
    "offline_access": "Access ends when you leave and cannot be prolonged.",
}
