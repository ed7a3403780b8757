"""The drawings of the model card; numbers in, one SVG file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if curves:
            axes.legend(loc="lower right")
        else:
            axes.text(0.5, 0.25, "too few images for a curve", ha="center")


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
class Mark:
    """A figure in a row of its own kind: `name` is told apart by colour and shape."""

    row: str
    name: str
    bar: Bar


def draw_marks(path: Path, title: str, label: str, panels: Mapping[str, Sequence[Mark]]) -> None:
    """A panel for each name, in it a row for each kind with one mark a name and its interval."""
    rows = [max(1, len({one.row for one in marks})) for marks in panels.values()]
    height = 1.0 + 0.35 * len(rows) + 0.46 * sum(rows)
    with plot(path, title, height=height) as figure:
        drawn = figure.subplots(len(rows), 1, height_ratios=rows, sharex=True, squeeze=False)[:, 0]
        for axes, (name, marks) in zip(drawn, panels.items(), strict=True):
            _draw_marks(axes, marks)
            axes.set_title(name)
        handles, names = drawn[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=min(3, len(names)))
        drawn[-1].set(xlim=(0, 1.02), xlabel=label)


def _draw_marks(axes: Any, marks: Sequence[Mark]) -> None:
    rows = list(dict.fromkeys(one.row for one in marks))
    names = list(dict.fromkeys(one.name for one in marks))
    for number, name in enumerate(names):
        own = [one for one in marks if one.name == name]
        apart = 0.6 / max(1, len(names)) * (number - (len(names) - 1) / 2)
        bars = [one.bar for one in own]
        spread = [[b.value - b.low for b in bars], [b.high - b.value for b in bars]]
        axes.errorbar(
            [b.value for b in bars], [rows.index(one.row) + apart for one in own], xerr=spread,
            linestyle="none", marker=_MARKS[number], markersize=4.5, color=COLOURS[number],
            elinewidth=1, capsize=2, label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
