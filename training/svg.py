"""Plots as small SVG files: the same bytes for the same figures, text as text, and no CSS.

A page with a strict content security policy shows them, because everything stands in attributes.
They bring their own white ground, so that they read alike on light and dark pages and on paper.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from training.errors import ExportError

# Told apart by readers who see few colours (Okabe and Ito 2008), and by their order of darkness.
COLOURS = ("#0e5a6b", "#d55e00", "#6a51a3", "#009e73", "#8c6d1f", "#56748a")
GREY = "#6b7681"
MOST_BYTES = 60_000

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_STYLE = {
    "svg.hashsalt": "wetread",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dfe4e8",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}


@contextmanager
def plot(path: Path, title: str, width: float = 5.6, height: float = 4.0) -> Iterator[Figure]:
    """Give an empty figure of ``width`` x ``height`` inches; write it when the block is done.

    Parameters
    ----------
    path : pathlib.Path
        The SVG file; its folder is made.
    title : str
        What screen readers say when the file is opened by itself.

    Raises
    ------
    ExportError
        The file would be larger than ``MOST_BYTES``.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        yield figure
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = plain(drawn.getvalue(), title)
    if len(text.encode()) > MOST_BYTES:
        raise ExportError(f"a plot must be under {MOST_BYTES} bytes; {path.name} has {len(text)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def plain(svg: str, title: str) -> str:
    """Turn style attributes into presentation attributes and leave out what nobody sees.

    Parameters
    ----------
    svg : str
        As matplotlib writes it.
    title : str
        Becomes the document's title.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(svg)  # noqa: S314  written by matplotlib a moment ago
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for name, value in _declarations(element.attrib.pop("style", "")):
            element.set(name, value)
        for name in ("d", "x", "y", "points", "transform", "x1", "y1", "x2", "y2"):
            if name in element.attrib:
                element.set(name, _shorter(element.attrib[name]))
    # What matplotlib's style sheet said for every element.
    root.set("stroke-linejoin", "round")
    root.set("role", "img")
    heading = ElementTree.Element(f"{{{_SVG}}}title")
    heading.text = title
    root.insert(0, heading)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for one in filter(None, style.split(";")):
        name, _, value = one.partition(":")
        yield name.strip(), value.strip()


def _shorter(numbers: str) -> str:
    """A hundredth of a point is less than anybody sees."""
    rounded = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", numbers)
    return " ".join(rounded.split())
