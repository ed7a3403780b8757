"""docs/settings.md says what the program does: every setting, default, explanation and scope."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from plugin.ehrs import Ehr
from plugin.scopes import BACKEND_SCOPE_REASONS, SCOPES
from plugin.settings import Settings

MANUAL = (Path(__file__).parents[3] / "docs" / "settings.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of the table under a heading, by the name in the first cell."""
    section = MANUAL.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: rest.split(" | ") for name, rest in lines}


def described_default(entry: Field[Any]) -> str:
    """The words of the manual for a default."""
    if entry.default is MISSING and entry.default_factory is MISSING:
        return "required"
    if entry.name in ("scopes", "backend_scopes"):
        return "see below"
    value = entry.default if entry.default is not MISSING else {}
    if value in (None, "", (), {}):
        return "none"
    text = str(value).lower() if isinstance(value, bool) else value
    return f"`{text:g}`" if isinstance(text, float) else f"`{text}`"


@pytest.mark.parametrize(
    ("heading", "kind"), [("wetread.toml", Settings), ("Each `[[ehrs]]` table", Ehr)]
)
def test_manual_lists_each_setting_with_default_and_explanation(heading: str, kind: Any) -> None:
    expected = {
        entry.name: [described_default(entry), entry.metadata["help"]]
        for entry in fields(kind)
        if entry.metadata
    }
    assert rows(heading) == expected


def test_every_setting_has_an_explanation() -> None:
    derived = {"redirect_uri"}
    for entry in (*fields(Settings), *fields(Ehr)):
        assert entry.metadata.get("help") or entry.name in derived, entry.name


def test_manual_lists_each_scope_with_its_reason() -> None:
    assert {name: cells[0] for name, cells in rows("Scopes").items()} == {
        entry.scope: entry.reason for entry in SCOPES
    }
    refused = [name for name, cells in rows("Scopes").items() if "refused" in cells[1]]
    assert refused == [entry.scope for entry in SCOPES if entry.essential]


def test_manual_lists_each_scope_of_unattended_reading_with_its_reason() -> None:
    assert {name: cells[0] for name, cells in rows("Scopes of unattended reading").items()} == {
        entry.scope: entry.reason for entry in BACKEND_SCOPE_REASONS
    }
