"""The drawings of the model card; numbers in, one SVG file out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.chest_xray.curves import Bin, NetBenefit, Roc
from training.svg import COLOURS, GREY, plot

_MARKS = ("o", "s", "D", "^", "v", "P")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


@dataclass(frozen=True)
class Bar:
    """A figure with its 95 % interval; `group` sets bars apart that belong together."""

    label: str
    value: float
    low: float
    high: float
    group: str = ""


def draw_reliability(path: Path, curves: dict[str, list[Bin]], prevalence: float) -> None:
    """Forecast against what was found, with the number of images below each point."""
    with plot(path, "Reliability of the probability", height=5.0) as figure:
        axes, counts = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfect")
        for number, (name, bins) in enumerate(curves.items()):
            x, y = [b.forecast for b in bins], [b.observed for b in bins]
            spread = [[b.observed - b.low for b in bins], [b.high - b.observed for b in bins]]
            axes.errorbar(
                x, y, yerr=spread, label=name, color=COLOURS[number], marker=_MARKS[number],
                markersize=4, elinewidth=0.8, capsize=2, linestyle=_DASHES[number],
            )  # fmt: skip
            counts.plot(
                x, [b.images for b in bins], color=COLOURS[number], marker=_MARKS[number],
                markersize=4, linestyle="none",
            )  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share with Covid-19")
        axes.set_title(f"Where {100 * prevalence:.0f} in 100 have Covid-19")
        axes.legend(loc="upper left")
        counts.set(xlabel="probability given", ylabel="images")
        counts.set_ylim(bottom=0)


def draw_roc(path: Path, title: str, curves: dict[str, Roc]) -> None:
    """One curve for each name; the legend gives the area under it."""
    with plot(path, title, height=4.6) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for number, (name, curve) in enumerate(curves.items()):
            axes.plot(
                curve.false_alarms, curve.sensitivity, color=COLOURS[number % len(COLOURS)],
                linestyle=_DASHES[number % len(_DASHES)], label=f"{name}: AUC {curve.area:.2f}",
            )  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set(xlabel="false alarms (1 - specificity)", ylabel="sensitivity")
        axes.set_title(title)
        axes.legend(loc="lower right")


def draw_bars(
    path: Path, title: str, label: str, bars: Sequence[Bar], chance: float | None = None
) -> None:
    """Horizontal bars with intervals, in the order given; values lie within 0..1."""
    groups = list(dict.fromkeys(bar.group for bar in bars))
    with plot(path, title, height=1.1 + 0.33 * len(bars)) as figure:
        axes = figure.subplots()
        for row, bar in enumerate(bars):
            colour = COLOURS[groups.index(bar.group) % len(COLOURS)]
            axes.barh(row, bar.value, height=0.62, color=colour, alpha=0.85)
            axes.plot([bar.low, bar.high], [row, row], color="#17212b", linewidth=1.2)
            axes.text(min(1.0, bar.high) + 0.015, row, f"{bar.value:.2f}", va="center", fontsize=8)
        if chance is not None:
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlim=(0, 1.1), xlabel=label, xticks=[0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.set_title(title)


def draw_decision_curve(path: Path, curves: dict[float, NetBenefit]) -> None:
    """A panel for each prevalence: model, act on all, act on nobody."""
    with plot(path, "Net benefit", height=2.3 * len(curves)) as figure:
        panels = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (prevalence, curve) in zip(panels, curves.items(), strict=True):
            x = curve.thresholds
            axes.plot(x, 100 * curve.model, color=COLOURS[0], label="act by the model")
            axes.plot(
                x, 100 * curve.treat_all, color=COLOURS[1], linestyle=_DASHES[1],
                label="act on everybody",
            )  # fmt: skip
            axes.axhline(0, color=GREY, linestyle=":", label="act on nobody")
            axes.set_ylim(-20 * prevalence, 110 * prevalence)
            axes.set_xlim(0, 0.8)
            axes.set_title(f"{100 * prevalence:.0f} in 100 have Covid-19")
        panels[0].legend(loc="upper right")
        panels[-1].set_xlabel("probability from which one would act")
        figure.supylabel("net true alarms per 100 patients", fontsize=9)


@dataclass(frozen=True)
class PointFigure:
    """Sensitivity or specificity of one operating point on one source."""

    point: str
    source: str
    bar: Bar


def draw_operating_points(
    path: Path, sensitivities: Sequence[PointFigure], specificities: Sequence[PointFigure]
) -> None:
    """Two panels with a row for each source and a mark for each operating point."""
    parts = (("sensitivity", sensitivities), ("specificity", specificities))
    rows = [len({one.source for one in part}) for _, part in parts]
    with plot(path, "Operating points", height=1.6 + 0.5 * sum(rows)) as figure:
        panels = figure.subplots(2, 1, height_ratios=[max(1, n) for n in rows], sharex=True)
        for axes, (name, part) in zip(panels, parts, strict=True):
            _draw_points(axes, part)
            axes.set_title(name)
        panels[0].legend(loc="lower left", bbox_to_anchor=(0.28, 1.0), ncols=3)
        panels[1].set(xlim=(0, 1), xlabel="share of images, with 95 % interval")


def _draw_points(axes: Any, part: Sequence[PointFigure]) -> None:
    sources = list(dict.fromkeys(one.source for one in part))
    points = list(dict.fromkeys(one.point for one in part))
    for number, point in enumerate(points):
        own = [one for one in part if one.point == point]
        rows = [sources.index(one.source) + 0.22 * (number - 1) for one in own]
        values = [one.bar.value for one in own]
        spread = [
            [one.bar.value - one.bar.low for one in own],
            [one.bar.high - one.bar.value for one in own],
        ]
        axes.errorbar(
            values, rows, xerr=spread, linestyle="none", marker=_MARKS[number], markersize=4.5,
            color=COLOURS[number], elinewidth=1, capsize=2, label=point.replace("_", "-"),
        )  # fmt: skip
    axes.set_yticks(range(len(sources)), sources)
    axes.set_ylim(len(sources) - 0.5, -0.5)
