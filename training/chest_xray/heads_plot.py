"""The comparison of heads as a dot plot with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.chest_xray.heads_figures import Figures
from training.chest_xray.heads_tables import NAMES, Measure, heads_in, measures
from training.svg import COLOURS, GREY, plot

_CHANCE = 0.5


def plot_heads(figures: Figures, path: Path) -> None:
    """Write an SVG: a panel for each area under the curve, a dot for each head.

    Parameters
    ----------
    figures : dict
        What ``heads.compare_heads`` returned.
    path : pathlib.Path
        The SVG file.
    """
    heads, areas = heads_in(figures), [one for one in measures(figures) if one.area]
    height = 0.6 + len(areas) * (0.45 + 0.17 * len(heads))
    with plot(path, "Heads compared", width=6.4, height=height) as figure:
        panels = figure.subplots(len(areas), 1, sharex=True, squeeze=False)[:, 0]
        for axes, measure in zip(panels, areas, strict=True):
            _draw(axes, measure, heads)
        panels[-1].set_xlabel("area under the ROC curve, with 95 % interval (dotted: chance)")


def _draw(axes: Any, measure: Measure, heads: list[str]) -> None:
    for row, head in enumerate(heads):
        found = measure.by_head.get(head)
        if found is None or found["value"] is None:
            continue
        axes.plot([found["low"], found["high"]], [row, row], color=COLOURS[row], linewidth=1.6)
        axes.plot(found["value"], row, "o", color=COLOURS[row], markersize=4.5)
        axes.annotate(
            f"{found['value']:.2f}", (found["high"], row), (4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(_CHANCE, color=GREY, linestyle=":", linewidth=1)
    axes.set_yticks(range(len(heads)), [NAMES[head] for head in heads])
    axes.set_ylim(len(heads) - 0.5, -0.5)
    axes.set_xlim(0.4, 1.0)
    axes.set_title(f"{measure.question}: {measure.words}", fontsize=9)
