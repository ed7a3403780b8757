"""The comparison of heads as a dot plot with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.chest_xray.heads_figures import Figures
from training.chest_xray.heads_tables import NAMES, Measure, heads_in, measures
from training.svg import COLOURS, GREY, plot

_MARKS = ("o", "s", "D", "^", "v")
_CHANCE, _APART = 0.5, 0.15


def plot_heads(figures: Figures, path: Path) -> None:
    """Write an SVG: a row for each area under the curve, a mark for each head.

    Parameters
    ----------
    figures : dict
        What ``heads.compare_heads`` returned.
    path : pathlib.Path
        The SVG file.
    """
    heads, areas = heads_in(figures), [one for one in measures(figures) if one.area]
    with plot(path, "Heads compared", width=6.4, height=1.3 + 0.75 * len(areas)) as figure:
        axes = figure.subplots()
        for number, head in enumerate(heads):
            _draw(axes, areas, head, number, (number - (len(heads) - 1) / 2) * _APART)
        axes.axvline(_CHANCE, color=GREY, linestyle=":", linewidth=1)
        axes.set_yticks(range(len(areas)), [_label(one) for one in areas])
        axes.set_ylim(len(areas) - 0.5, -0.5)
        axes.set_xlabel("area under the ROC curve, with 95 % interval (dotted: chance)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)


def _draw(axes: Any, areas: list[Measure], head: str, number: int, shift: float) -> None:
    drawn = [
        (row + shift, found)
        for row, measure in enumerate(areas)
        if (found := measure.by_head.get(head)) and found["value"] is not None
    ]
    values = [found["value"] for _, found in drawn]
    # A resampled interval may leave out its own figure; a bar cannot be shorter than nothing.
    spread = [
        [max(0.0, found["value"] - found["low"]) for _, found in drawn],
        [max(0.0, found["high"] - found["value"]) for _, found in drawn],
    ]
    axes.errorbar(
        values, [row for row, _ in drawn], xerr=spread, linestyle="none", marker=_MARKS[number],
        markersize=4.5, color=COLOURS[number], elinewidth=1.2, label=NAMES[head],
    )  # fmt: skip


def _label(measure: Measure) -> str:
    """The question, and below it which figure."""
    question = measure.question.replace(", ", ",\n") if len(measure.question) > 30 else None
    return f"{question or measure.question}\n{measure.words}"
