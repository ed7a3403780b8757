"""Attribute matching of a search (PS3.4 section C.2.2.2, PS3.18 section 8.3.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.dicomweb.attributes import hex_tag, vr_of

_RANGE_VRS = frozenset({"DA", "TM", "DT"})


def matches(header: Mapping[str, Any], keyword: str, wanted: str) -> bool:
    """Tell whether an instance's or a study's header fulfils one matching key.

    Parameters
    ----------
    header : Mapping
        DICOM JSON.
    keyword : str
        DICOM keyword.
    wanted : str
        Single value, list of UIDs, wildcard (``*``, ``?``) or range, by the keyword's VR.
        An empty value and ``*`` match everything (universal matching).
    """
    if wanted in ("", "*"):
        return True
    values = [_text(value) for value in header.get(hex_tag(keyword), {}).get("Value", [])]
    if keyword == "ModalitiesInStudy":
        options = re.split(r"[,\\]", wanted)
        return any(_one(value, option, "CS") for value in values for option in options)
    return any(_one(value, wanted, vr_of(keyword)) for value in values)


def _one(value: str, wanted: str, vr: str) -> bool:
    if vr == "UI":
        return value in re.split(r"[,\\]", wanted)
    if vr in _RANGE_VRS:
        return _in_range(value, wanted)
    if vr == "PN":
        # Case-insensitive, as PS3.18 allows without fuzzy matching; trailing carets mean nothing.
        return _wildcard(value.rstrip("^").casefold(), wanted.rstrip("^").casefold())
    return _wildcard(value.strip(), wanted.strip())


def _in_range(value: str, wanted: str) -> bool:
    first, dash, last = wanted.partition("-")
    if not dash:
        return value.startswith(wanted)
    # An open or coarse end takes in all that begins like it: 10- to 11 covers 11:59.
    return (not first or value >= first) and (not last or value[: len(last)] <= last)


def _wildcard(value: str, wanted: str) -> bool:
    if "*" not in wanted and "?" not in wanted:
        return value == wanted
    pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in wanted)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic", ""))
    return str(value)
