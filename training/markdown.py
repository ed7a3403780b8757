"""Figures and tables as Markdown, the same in every part of a card or page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MISSING = "–"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; every row has as many cells as the head."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def estimate(found: dict[str, Any] | None) -> str:
    """A figure with its interval, from ``Interval.as_json()``; a dash where it is undefined."""
    if found is None or found["value"] is None:
        return MISSING
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def counted(found: dict[str, Any] | None) -> str:
    """The same with the images and groups behind it."""
    if found is None or found["value"] is None:
        return MISSING
    return f"{estimate(found)}, n {found['images']} / {found['groups']}"
