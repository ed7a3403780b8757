"""SMART App Launch 2.2.0, "smart_style_url": how the EHR would like the app to look.

Only the keys that the specification names are read, and only values of a few plain kinds: what is
left is numbers, colours and names of fonts, never a piece of CSS. ``color_modal_backdrop`` is left
out, because there is no modal dialog to put it behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE | re.ASCII)
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", re.ASCII)
_LENGTH = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)(px|pt|rem|em)", re.ASCII)
_PX = {"px": 1.0, "pt": 4 / 3, "rem": 16.0, "em": 16.0}
_FAMILY = re.compile(
    r"""\s*(?:'([A-Za-z0-9][A-Za-z0-9 ._-]*)'|"([A-Za-z0-9][A-Za-z0-9 ._-]*)"|"""
    r"(-?[A-Za-z][A-Za-z0-9 _-]*?))\s*",
    re.ASCII,
)
_LONGEST = 512
_MOST_FAMILIES = 12


@dataclass(frozen=True)
class Style:
    """The EHR's wishes; None for what it does not say, or says in an unusable way.

    Parameters
    ----------
    color_background, color_text, color_highlight, color_error, color_success : str or None
        ``#rrggbb`` in lower case.
    dim_border_radius : float or None
        0 to 16 CSS pixels.
    dim_font_size : float or None
        Of running text, 12 to 20 CSS pixels.
    dim_spacing_size : float or None
        8 to 24 CSS pixels.
    font_family_body, font_family_heading : tuple of str or None
        Names of fonts, the preferred one first.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#styling
    """

    color_background: str | None = None
    color_text: str | None = None
    color_highlight: str | None = None
    color_error: str | None = None
    color_success: str | None = None
    dim_border_radius: float | None = None
    dim_font_size: float | None = None
    dim_spacing_size: float | None = None
    font_family_body: tuple[str, ...] | None = None
    font_family_heading: tuple[str, ...] | None = None


# Beyond these a page that was made for a narrow frame falls apart.
_RANGES_PX = {
    "dim_border_radius": (0.0, 16.0),
    "dim_font_size": (12.0, 20.0),
    "dim_spacing_size": (8.0, 24.0),
}


def read_style(document: Mapping[str, Any]) -> Style:
    """Read a style document; what is unknown or unusable counts as absent.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#styling
    """
    colors = ("background", "text", "highlight", "error", "success")
    read: dict[str, Any] = {f"color_{n}": _color(_text(document, f"color_{n}")) for n in colors}
    for name, (least, most) in _RANGES_PX.items():
        read[name] = _length_px(_text(document, name), least, most)
    for name in ("font_family_body", "font_family_heading"):
        read[name] = _families(_text(document, name))
    return Style(**read)


def _text(document: Mapping[str, Any], name: str) -> str:
    """Read a value; the specification's own example ends one with a semicolon."""
    value = document.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    return value.strip().removesuffix(";").strip()


def _color(text: str) -> str | None:
    if _HEX.fullmatch(text):
        digits = text[1:].lower()
        return "#" + (digits if len(digits) == 6 else "".join(2 * digit for digit in digits))
    match = _RGB.fullmatch(text)
    if match is None or any(int(part) > 255 for part in match.groups()):
        return None
    return "#" + "".join(f"{int(part):02x}" for part in match.groups())


def _length_px(text: str, least: float, most: float) -> float | None:
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    length = round(float(match[1]) * _PX[match[2]], 2)
    return length if least <= length <= most else None


def _families(text: str) -> tuple[str, ...] | None:
    """Read a list of font names; one that cannot be read makes all of it unusable."""
    matches = [_FAMILY.fullmatch(part) for part in text.split(",")]
    names = [next(name for name in match.groups() if name) for match in matches if match]
    if not names or len(names) != len(matches) or len(names) > _MOST_FAMILIES:
        return None
    return tuple(names)
