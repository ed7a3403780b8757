"""Whether a write that should have made a new entry took the place of somebody else's.

A server that made an entry answers 201, but some answer 200 to every PUT. So 200 only raises the
question; the versions that the server keeps answer it (FHIR R4, http.html#history).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from plugin.errors import LaunchExpired
from plugin.record import Record
from smart_launch.errors import SmartError
from smart_launch.fhir_addresses import split_location
from smart_launch.fhir_bundles import PastVersion
from smart_launch.stored import bare_etag

log = logging.getLogger("wetread.write_back")

FIRST = "1"


def was_written_over(record: Record, place: str, version: str | None) -> bool:
    """Tell whether our version of an entry directly follows another content.

    A false alarm on every reading would teach users to ignore the true one: what cannot be found
    out is a warning in the log only.

    Parameters
    ----------
    place : str
        ``Type/id``.
    version : str or None
        That the server gave our entry; None where it did not say.
    """
    kind, _, entry_id = place.partition("/")
    try:
        ours = version or record.read_stored(kind, entry_id).version
        if ours == FIRST:
            return False
        found = _differs_from_before(record.history(kind, entry_id), ours)
    except (SmartError, LaunchExpired) as error:
        log.warning("history_unread", extra={"code": error.code, "place": place})
        return False
    if found is None:
        log.warning("history_unclear", extra={"place": place})
    return bool(found)


def entries_that_met_one(answer: Mapping[str, Any]) -> dict[int, str | None]:
    """Give the entries of a transaction's answer with status 200, not 201, and their versions.

    Some servers leave the status out; then nothing is known, and reading back decides.
    """
    met: dict[int, str | None] = {}
    entries = answer.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        response = entry.get("response") if isinstance(entry, dict) else None
        if isinstance(response, dict) and str(response.get("status", "")).startswith("200"):
            located = split_location(str(response.get("location") or ""))[1]
            met[number] = bare_etag(str(response.get("etag") or "")) or located
    return met


def _differs_from_before(history: Sequence[PastVersion], ours: str | None) -> bool | None:
    """Compare our version with the one before it; None if ours is not among them."""
    at = next((n for n, one in enumerate(history) if ours and one.version == ours), None)
    if at is None and len(history) == 1:
        at = 0
    if at is None:
        return None
    before = history[at + 1 : at + 2]
    if not before or before[0].resource is None:
        return False
    return _content(before[0].resource) != _content(history[at].resource or {})


def _content(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Give what somebody wrote, without what the server adds."""
    return {name: value for name, value in resource.items() if name not in ("meta", "text")}
