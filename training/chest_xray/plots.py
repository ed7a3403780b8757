"""The plots of the model card, from ``predictions.csv`` and ``figures.json``.

Every curve is of images that did not train the network that judged them; children are left out,
for whom the model gives no number.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chest_xray import plot_panels as panels
from training.chest_xray.curves import (
    Bin,
    NetBenefit,
    Roc,
    cell_weights,
    net_benefit,
    reliability,
    roc,
)
from training.chest_xray.plot_panels import Bar, PointFigure
from training.chest_xray.settings import Settings
from training.errors import TableError
from training.intervals import rate

Figures = dict[str, Any]
LEFT_OUT, BESIDE, KNOWN = "left_out:", "beside:", ("oof", "held_out")
# A curve of fewer images of either kind says nothing.
_FEWEST = 8
_PREVALENCES = (0.05, 0.2)


@dataclass(frozen=True)
class Plot:
    """A plot of the card: its file, what it shows in words, and how to read it."""

    file: str
    words: str
    caption: str


PLOTS = (
    Plot(
        "reliability.svg",
        "Calibration: share of images with Covid-19 against the probability given, by tenths.",
        "Points on the dotted line: of the images given a probability of 0.4, 40 in 100 show "
        "Covid-19. Every source and class counts by its share in training.toml, Covid-19 by the "
        "reference prevalence; bars are 95 % intervals over groups, the lower panel counts images.",
    ),
    Plot(
        "roc_known.svg",
        "ROC curves within sources that trained, on images of groups that did not.",
        "Within one source, patients with and without Covid-19 went through the same hands: what "
        "is left is nearer to medicine. All sources together flatter, because most sources hold "
        "only one of the two.",
    ),
    Plot(
        "roc_left_out.svg",
        "ROC curves on sources that the network never saw.",
        "Nearest here to another hospital. A source without Covid-19 images is compared with "
        "Covid-19 images of the held-out fold from sources that trained.",
    ),
    Plot(
        "probes.svg",
        "Areas under the curve when the lungs are blanked or replaced, and when the frame is.",
        "What a network reaches without lungs is no medicine: it is the trace of the source. The "
        "nearer the bars without lungs to 0.5, the better.",
    ),
    Plot(
        "operating_points.svg",
        "Sensitivity and specificity of the three operating points on sources left out.",
        "One row for each source, one mark for each operating point, with 95 % intervals.",
    ),
    Plot(
        "decision_curve.svg",
        "Net benefit against the threshold probability for two or three prevalences.",
        "Above both other lines, acting by the model would be better than acting on everybody or "
        "on nobody, if one false alarm weighs as the threshold says (at 0.2: a quarter of a missed "
        "patient). On sources left out.",
    ),
)


@dataclass(frozen=True)
class Predicted:
    """Columns of ``predictions.csv``, one value an image.

    Attributes
    ----------
    part, path, source, label, group : numpy.ndarray
        Text. ``part``: "oof", "held_out", "left_out:<sources>", "beside:<sources>", "article".
    child : numpy.ndarray
        bool; known to be a child.
    logit, probability : numpy.ndarray
        float64; calibrated log-odds and probability (0..1) of Covid-19.
    """

    part: NDArray[np.str_]
    path: NDArray[np.str_]
    source: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]
    child: NDArray[np.bool_]
    logit: NDArray[np.float64]
    probability: NDArray[np.float64]

    def of(self, keep: NDArray[np.bool_]) -> Predicted:
        """The images of a mask."""
        columns = {name: values[keep] for name, values in vars(self).items()}
        return Predicted(**columns)

    def cells(self) -> NDArray[np.str_]:
        """Source and class of each image, such as "nih normal"."""
        joined = [f"{s} {c}" for s, c in zip(self.source, self.label, strict=True)]
        return np.array(joined, str)


_TEXTS = ("part", "path", "source", "label", "group")
_NUMBERS = ("logit", "probability")


def read_predictions(path: Path) -> Predicted:
    """Read ``predictions.csv``.

    Raises
    ------
    TableError
        A column is missing.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = {*_TEXTS, *_NUMBERS, "child"} - set(rows[0] if rows else ())
    if missing:
        raise TableError(f"{path.name} must have rows with {', '.join(sorted(missing))}")
    texts = {name: np.array([row[name] for row in rows], str) for name in _TEXTS}
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in _NUMBERS}
    child = np.array([row["child"] == "y" for row in rows], bool)
    return Predicted(**texts, **numbers, child=child)


def paragraphs(folder: Path) -> list[str]:
    """The plots as Markdown, each with its caption; those whose file is not there are left out.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder.
    """
    there = [one for one in PLOTS if (folder / "plots" / one.file).is_file()]
    return [f"![{one.words}](plots/{one.file})\n\n*{one.caption}*" for one in there]


def draw_plots(
    figures: Figures,
    predictions: Predicted,
    thresholds: Mapping[str, float],
    settings: Settings,
    folder: Path,
) -> None:
    """Draw every plot of the card.

    Parameters
    ----------
    figures : dict
        As in ``figures.json``; its ``probe`` is drawn.
    predictions : Predicted
        Of all networks of the run.
    thresholds : mapping
        Operating point ("rule_out", "balanced", "rule_in") -> threshold on the probability.
    settings : Settings
        Target, prevalence, weights of sources and classes, seed.
    folder : pathlib.Path
        Receives the SVG files.
    """
    adults = predictions.of(~predictions.child)
    unseen = adults.of(np.char.startswith(adults.part, LEFT_OUT))
    known = adults.of(np.isin(adults.part, KNOWN))
    curves = {
        "sources left out": _reliability(unseen, settings),
        "known sources, other patients": _reliability(known, settings),
    }
    prevalence = settings.calibration.prevalence
    panels.draw_reliability(folder / "reliability.svg", curves, prevalence)
    panels.draw_roc(folder / "roc_known.svg", "Known sources", _within(known, settings))
    panels.draw_roc(folder / "roc_left_out.svg", "Sources left out", _left_out(adults, settings))
    draw_probes(figures["probe"], folder)
    panels.draw_decision_curve(
        folder / "decision_curve.svg",
        {p: _net_benefit(unseen, p, settings) for p in sorted({*_PREVALENCES, prevalence})},
    )
    panels.draw_operating_points(
        folder / "operating_points.svg",
        _rates(unseen, thresholds, settings, sick=True),
        _rates(unseen, thresholds, settings, sick=False),
    )


def _truth(part: Predicted, settings: Settings) -> NDArray[np.bool_]:
    return np.asarray(part.label == settings.target)


def _weights(part: Predicted, settings: Settings) -> NDArray[np.float64]:
    truth, prevalence = _truth(part, settings), settings.calibration.prevalence
    return cell_weights(part.cells(), truth, prevalence, settings.draws)


def _reliability(part: Predicted, settings: Settings) -> list[Bin]:
    truth, weights = _truth(part, settings), _weights(part, settings)
    return reliability(part.probability, truth, weights, part.group, settings.seed)


def _net_benefit(part: Predicted, prevalence: float, settings: Settings) -> NetBenefit:
    truth, weights = _truth(part, settings), _weights(part, settings)
    reference = settings.calibration.prevalence
    return net_benefit(part.probability, truth, weights, reference, prevalence)


def _within(known: Predicted, settings: Settings) -> dict[str, Roc]:
    parts = {source: known.of(known.source == source) for source in np.unique(known.source)}
    named = {f"within {source}": part for source, part in parts.items()}
    return _curves({"all sources together": known} | named, settings)


def _left_out(adults: Predicted, settings: Settings) -> dict[str, Roc]:
    """Each part left out; where it holds one class only, with the other class from beside it."""
    named: dict[str, Predicted] = {}
    for part in np.unique(adults.part[np.char.startswith(adults.part, LEFT_OUT)]):
        name = str(part).removeprefix(LEFT_OUT)
        own = adults.part == part
        truth = adults.label[own] == settings.target
        if truth.all() or not truth.any():
            other = (adults.label == settings.target) != bool(truth.all())
            own = own | ((adults.part == BESIDE + name) & other)
            name += " against known"
        named[name] = adults.of(own)
    return _curves(named, settings)


def _curves(parts: Mapping[str, Predicted], settings: Settings) -> dict[str, Roc]:
    found = {}
    for name, part in parts.items():
        truth = _truth(part, settings)
        if min(int(truth.sum()), int((~truth).sum())) >= _FEWEST:
            found[name] = roc(part.logit, truth)
    return found


def _rates(
    unseen: Predicted, thresholds: Mapping[str, float], settings: Settings, *, sick: bool
) -> list[PointFigure]:
    """Sensitivity (or specificity) by source and operating point, as the tables measure it."""
    part = unseen.of(_truth(unseen, settings) == sick)
    found = []
    for source in np.unique(part.source):
        own = part.of(part.source == source)
        for point, threshold in thresholds.items():
            hits = (own.probability >= threshold) == sick
            measured = rate(hits, own.group, settings.report.bootstrap, settings.seed)
            name = f"{source} ({measured.images})"
            found.append(PointFigure(point, name, bar_of(point, measured.as_json())))
    return found


def bar_of(label: str, figure: Mapping[str, float | int | None], group: str = "") -> Bar:
    """A figure of ``figures.json`` as a bar; an undefined one lies at 0 without width."""
    value, low, high = (float(figure[key] or 0.0) for key in ("value", "low", "high"))
    return Bar(label, value, low, high, group)


def draw_probes(probe: Figures, folder: Path) -> None:
    """Draw what is told without the lungs."""
    names: Iterable[tuple[str, str]] = (
        ("as_it_is", "as it is"), ("lungs_blanked", "lungs blanked"), ("outline_only", "outline"),
    )  # fmt: skip
    read: tuple[tuple[str, Callable[[Figures], Figures]], ...] = (
        ("this network", lambda one: one["trained_network"]["adults_auc"]),
        ("fitted anew", lambda one: one["frozen_features"]["adults_auc"]),
    )
    bars = [
        bar_of(f"{words}, {who}", of(probe[key]), who)
        for key, words in names
        for who, of in read
        if key in probe
    ]
    panels.draw_bars(
        folder / "probes.svg", "What is told without the lungs", "AUC, held-out adults", bars, 0.5
    )
