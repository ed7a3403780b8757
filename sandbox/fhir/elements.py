"""Walking through the elements of a resource."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def values_at(node: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path; lists on the way are walked through."""
    if isinstance(node, list):
        for item in node:
            yield from values_at(item, path)
        return
    if not path:
        if node is not None:
            yield node
        return
    first, _, rest = path.partition(".")
    if isinstance(node, dict) and first in node:
        yield from values_at(node[first], rest)


def references_in(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Reference in a resource, as (path, the object that holds ``reference``)."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from references_in(item, f"{path}[{number}]")
    elif isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield path, node
        for name, value in node.items():
            yield from references_in(value, f"{path}.{name}" if path else name)


def local_reference(reference: object) -> tuple[str, str] | None:
    """(type, id) of a relative literal reference; None for any other kind of reference."""
    found = _LOCAL.fullmatch(reference) if isinstance(reference, str) else None
    return (found[1], found[2]) if found else None


def make_relative(resource: Resource, base: str) -> None:
    """Write references to this server's own records as ``Type/id``, in place."""
    prefix = f"{base}/"
    for _, holder in references_in(resource):
        if holder["reference"].startswith(prefix):
            holder["reference"] = holder["reference"].removeprefix(prefix)


def replace_prefix(node: Any, old: str, new: str) -> Any:
    """A copy in which every string that begins with ``old`` begins with ``new``."""
    if isinstance(node, dict):
        return {name: replace_prefix(value, old, new) for name, value in node.items()}
    if isinstance(node, list):
        return [replace_prefix(item, old, new) for item in node]
    if isinstance(node, str) and (node == old or node.startswith((f"{old}/", f"{old}?"))):
        return new + node[len(old) :]
    return node
