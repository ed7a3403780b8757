"""Scopes of SMART App Launch 2.2, v1 and v2 syntax.

A clinical scope is kept as (context, type, permissions); ``read`` is ``rs``, ``write`` is ``cud``,
``*`` is ``cruds`` (SMART 2.2, "Scopes for requesting FHIR Resources"). Scopes with a query
(``?category=...``) are legal but not offered here, so they are never granted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PERMISSIONS = "cruds"
_V1 = {"read": "rs", "write": "cud", "*": PERMISSIONS}
_CLINICAL = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|[cruds]+)")
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
PLAIN = frozenset(
    {"launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "online_access"}
    | {"offline_access"}
)


@dataclass(frozen=True)
class ClinicalScope:
    """Permissions on one type of resource.

    Attributes
    ----------
    context : str
        ``patient``, ``user`` or ``system``.
    kind : str
        Resource type, or ``*``.
    permissions : str
        Letters of ``cruds``, in that order.
    """

    context: str
    kind: str
    permissions: str

    def __str__(self) -> str:
        return f"{self.context}/{self.kind}.{self.permissions}"

    def covers(self, kind: str, permission: str) -> bool:
        """Whether this scope allows ``permission`` (one letter) on ``kind``."""
        return self.kind in ("*", kind) and permission in self.permissions


def split_scopes(text: str) -> tuple[str, ...]:
    """Split a scope parameter (RFC 6749 3.3), each token once, in order.

    Raises
    ------
    ValueError
        A token has characters that the grammar does not allow.
    """
    tokens = tuple(dict.fromkeys(part for part in text.split(" ") if part))
    if any(not _TOKEN.fullmatch(token) for token in tokens):
        raise ValueError("scope tokens are printable ASCII without quotes and backslashes")
    return tokens


def parse_clinical(token: str) -> ClinicalScope | None:
    """Read one clinical scope; None when the token is no clinical scope that is offered here."""
    found = _CLINICAL.fullmatch(token)
    if found is None:
        return None
    context, kind, wanted = found.groups()
    letters = _V1.get(wanted, wanted)
    ordered = "".join(letter for letter in PERMISSIONS if letter in letters)
    # SMART 2.2: the letters must come in the order of "cruds", each once.
    return ClinicalScope(context, kind, ordered) if ordered == letters else None


def clinical_scopes(tokens: Iterable[str]) -> tuple[ClinicalScope, ...]:
    """Every clinical scope among the tokens."""
    return tuple(scope for token in tokens if (scope := parse_clinical(token)) is not None)


def _meet(wanted: ClinicalScope, allowed: ClinicalScope) -> ClinicalScope | None:
    if wanted.context != allowed.context:
        return None
    kinds = {wanted.kind, allowed.kind}
    if len(kinds) == 2 and "*" not in kinds:
        return None
    kind = wanted.kind if allowed.kind == "*" else allowed.kind
    letters = "".join(letter for letter in wanted.permissions if letter in allowed.permissions)
    return ClinicalScope(wanted.context, kind, letters) if letters else None


def _granted_for(token: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    wanted = parse_clinical(token)
    if wanted is None:
        return (token,) if token in PLAIN and token in allowed else ()
    letters: dict[str, set[str]] = {}
    for scope in clinical_scopes(allowed):
        met = _meet(wanted, scope)
        if met is not None:
            letters.setdefault(met.kind, set()).update(met.permissions)
    if letters.get(wanted.kind) == set(wanted.permissions):
        return (token,)  # All of it: answer in the syntax that the client used.
    return tuple(
        str(ClinicalScope(wanted.context, kind, "".join(c for c in PERMISSIONS if c in found)))
        for kind, found in letters.items()
    )


def grant(requested: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Cut the requested scopes down to the allowed ones.

    Parameters
    ----------
    requested, allowed : iterable of str
        Scope tokens, each in v1 or v2 syntax.

    Returns
    -------
    tuple of str
        Never more than either side; in the client's own syntax where all of a scope is granted.
    """
    limit = tuple(allowed)
    granted = (part for token in requested for part in _granted_for(token, limit))
    return tuple(dict.fromkeys(granted))


def within(requested: Iterable[str], granted: Iterable[str]) -> bool:
    """Whether every requested scope is wholly contained in the granted ones (refresh)."""
    limit = tuple(granted)
    return all(_granted_for(token, limit) == (token,) for token in requested)


_WORDS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}
_PLAIN_WORDS = {
    "launch": "know which patient and study are open",
    "launch/patient": "ask you to choose a patient",
    "launch/encounter": "know the current visit",
    "openid": "know who you are",
    "fhirUser": "see your entry in the staff directory",
    "online_access": "keep access while you work",
    "offline_access": "keep access when you are gone",
}


def in_words(token: str) -> str:
    """Say a granted scope to the person who consents."""
    scope = parse_clinical(token)
    if scope is None:
        return _PLAIN_WORDS.get(token, token)
    verbs = ", ".join(_WORDS[letter] for letter in scope.permissions)
    what = "any record" if scope.kind == "*" else f"{scope.kind} records"
    whose = {"patient": "of this patient", "user": "that you can reach"}.get(scope.context, "")
    return f"{verbs} {what} {whose}".strip()
