"""Rules for the page's files, without a browser: no build, no third party, no markup from data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import plugin

STATIC = Path(plugin.__file__).parent / "static"
TEMPLATE = Path(plugin.__file__).parent / "templates" / "reading.html"
ICONS = TEMPLATE.with_name("icons.svg")
SCRIPTS = sorted(STATIC.rglob("*.js"))
FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "localStorage",
    "document.cookie",
    "console.log",
)


def named(path: Path) -> str:
    return str(path.relative_to(STATIC))


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_no_script_makes_markup_from_data_or_keeps_secrets(script: Path) -> None:
    text = script.read_text()
    assert [word for word in FORBIDDEN if word in text] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_every_import_is_a_file_of_ours(script: Path) -> None:
    for address in re.findall(r'(?:from|import)\s*\(?"([^"]+)"', script.read_text()):
        assert address.startswith(("./", "../")), address
        assert (script.parent / address).is_file(), address


def test_no_file_loads_anything_from_elsewhere() -> None:
    for path in [TEMPLATE, *STATIC.rglob("*.css"), *SCRIPTS]:
        elsewhere = re.findall(r"https?://[^\s\"')]+", path.read_text())
        assert [a for a in elsewhere if not a.startswith("http://www.w3.org/")] == [], path.name


def test_the_page_has_no_inline_style_or_handler_and_a_nonce_on_all_it_loads() -> None:
    text = TEMPLATE.read_text()
    assert not re.search(r"\s(style|on\w+)=", text)
    loads = re.findall(r"<(?:script|link rel=\"stylesheet\")[^>]*>", text)
    assert len(loads) >= 5
    assert all('nonce="{{ csp_nonce }}"' in tag for tag in loads)
    for address in re.findall(r'(?:src|href)="/static/([^"#{]+)', text):
        assert (STATIC / address).is_file(), address


def test_every_module_of_the_page_is_asked_for_at_once() -> None:
    """Four levels of imports would be four round trips one after the other."""
    listed = re.search(r"{% for name in \((.*?)\) %}", TEMPLATE.read_text(), re.DOTALL)
    assert listed
    preloaded = {f"{name}.js" for name in re.findall(r'"([^"]+)"', listed[1])}
    assert preloaded == {named(script) for script in SCRIPTS} - {"launch.js", "reading.js"}


def test_every_icon_that_is_used_exists() -> None:
    drawn = set(re.findall(r'<symbol id="icon-([\w-]+)"', ICONS.read_text()))
    asked = set(re.findall(r'"#icon-([\w-]+)"', TEMPLATE.read_text()))
    for script in SCRIPTS:
        asked |= set(re.findall(r'icon(?:Name:\s*|\()"([\w-]+)"', script.read_text()))
    assert asked <= drawn
