"""What a CDS service says of itself (CDS Hooks 2.0, "Discovery")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import CdsProblem

HOOK = "patient-view"
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MOST_TEMPLATES = 20


@dataclass(frozen=True)
class Service:
    """One service for the hook that this hospital calls.

    Attributes
    ----------
    id : str
        Last part of its address.
    prefetch : mapping of str to str
        Templates by key.
    """

    id: str
    prefetch: Mapping[str, str]


def read_services(document: Mapping[str, Any]) -> tuple[Service, ...]:
    """Services of a discovery document that answer the hook of this hospital.

    Raises
    ------
    CdsProblem
        The document breaks a rule of the specification, in whichever service.
    """
    listed = document.get("services")
    if not isinstance(listed, list):
        raise CdsProblem("discovery must hold a list of services")
    found = [_service(entry) for entry in listed]
    if len({service.id for _, service in found}) != len(found):
        raise CdsProblem("each service needs an id of its own")
    return tuple(service for hook, service in found if hook == HOOK)


def _service(entry: object) -> tuple[str, Service]:
    if not isinstance(entry, dict):
        raise CdsProblem("a service must be a JSON object")
    for name in ("hook", "id", "description"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise CdsProblem(f"a service needs {name}")
    # The id becomes part of an address.
    if not _ID.fullmatch(entry["id"]):
        raise CdsProblem("the id of a service must be letters, digits, dot, hyphen, underscore")
    return entry["hook"], Service(entry["id"], _templates(entry.get("prefetch", {})))


def _templates(prefetch: object) -> dict[str, str]:
    if not isinstance(prefetch, dict) or len(prefetch) > _MOST_TEMPLATES:
        raise CdsProblem(f"prefetch must be {_MOST_TEMPLATES} texts at most, by key")
    if not all(isinstance(text, str) and text for text in prefetch.values()):
        raise CdsProblem("a prefetch template must be a text")
    return dict(prefetch)
