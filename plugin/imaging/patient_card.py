"""How a patient is named on the page and in the PDF. Pure; everything stays plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME_USES = ("official", "usual", None, "temp", "nickname")


def patient_name(patient: Mapping[str, Any]) -> str:
    """Give "FAMILY, Given" of the official name; "Name unknown" without any."""
    names = [n for n in patient.get("name", ()) if n.get("use") not in ("old", "maiden")]
    names.sort(key=lambda n: NAME_USES.index(n.get("use")) if n.get("use") in NAME_USES else 9)
    for name in names:
        given = " ".join(part for part in name.get("given", ()) if part)
        family = name.get("family") or ""
        built = ", ".join(part for part in (family.upper(), given) if part)
        if built or name.get("text"):
            return str(built or name["text"])
    return "Name unknown"


def patient_identifiers(patient: Mapping[str, Any]) -> list[dict[str, str]]:
    """List the identifiers in use, each with a short label."""
    return [
        {
            "system": str(entry.get("system", "")),
            "value": str(entry["value"]),
            "label": _label(entry),
        }
        for entry in patient.get("identifier", ())
        if entry.get("value") and entry.get("use") != "old"
    ]


def patient_line(patient: Mapping[str, Any]) -> str:
    """Name and numbers in one line."""
    numbers = [f"{one['label']} {one['value']}" for one in patient_identifiers(patient)]
    return ", ".join((patient_name(patient), *numbers[:2]))


def _label(entry: Mapping[str, Any]) -> str:
    kind = entry.get("type") or {}
    codes = kind.get("coding") or [{}]
    return str(kind.get("text") or codes[0].get("code") or codes[0].get("display") or "ID")
