"""The plots of the model card, from ``predictions.csv`` and ``figures.json``.

Every curve is of images that did not train the network that judged them; children are left out,
for whom the model gives no number.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from training.chest_xray.heads_plot import plot_heads
from training.chest_xray.plot_panels import Bar, Mark
from training.chest_xray.predicted import Predicted
from training.chest_xray.settings import Settings
from training.intervals import rate

Figures = dict[str, Any]
LEFT_OUT, BESIDE, KNOWN = "left_out:", "beside:", "oof"
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
        "On the dotted line, 40 in 100 of the images that are given a probability of 0.4 show "
        "Covid-19. Images of sources that the answering network had not seen. Every source and "
        "class counts by its share in training.toml, Covid-19 by the reference prevalence; bars "
        "are 95 % intervals over groups, the lower panel counts images.",
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
        "Areas under the curve with the lungs blanked, the outline alone, or a foreign frame.",
        "What a network reaches without lungs is no medicine: it is the trace of the source. The "
        "nearer the bars without lungs to 0.5, the better. Fitted anew: frozen ImageNet features "
        "and a logistic regression, trained on pictures changed in the same way.",
    ),
    Plot(
        "operating_points.svg",
        "Sensitivity and specificity of the three operating points on sources left out.",
        "One row for each source (images in brackets), one mark for each operating point, with "
        "95 % intervals. Held-out fold: neither network nor threshold had seen these images.",
    ),
    Plot(
        "decision_curve.svg",
        "Net benefit against the threshold probability for two or three prevalences.",
        "Above both other lines, acting by the model would be better than acting on everybody or "
        "on nobody, if one false alarm weighs as the threshold says (at 0.2: a quarter of a missed "
        "patient). On sources left out, held-out fold.",
    ),
    Plot(
        "heads.svg",
        "Areas under the curve of the compared heads, by question.",
        "The same images for every head. Out of fold rewards knowing the source; within one source "
        "and on unseen sources it does not help.",
    ),
)


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
        As in ``figures.json``; its ``probe`` and ``heads`` are drawn.
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
    judged = unseen.fold == settings.folds.held_out
    fresh, prevalence = unseen.of(judged), settings.calibration.prevalence
    bins = {
        "sources left out, held-out fold": _reliability(fresh, settings),
        "sources left out, folds that fitted it": _reliability(unseen.of(~judged), settings),
    }
    panels.draw_reliability(folder / "reliability.svg", bins, prevalence)
    known = _within(adults.of(adults.part == KNOWN), settings)
    panels.draw_roc(folder / "roc_known.svg", "Known sources, other patients", known)
    panels.draw_roc(folder / "roc_left_out.svg", "Sources left out", _left_out(adults, settings))
    prevalences = sorted({*_PREVALENCES, prevalence})
    benefits = {p: _net_benefit(fresh, p, settings) for p in prevalences}
    panels.draw_decision_curve(folder / "decision_curve.svg", benefits)
    rates = {
        "sensitivity": _rates(fresh, thresholds, settings, sick=True),
        "specificity": _rates(fresh, thresholds, settings, sick=False),
    }
    label = "share of images, with 95 % interval"
    panels.draw_marks(folder / "operating_points.svg", "Operating points", label, rates)
    draw_probes(figures["probe"], folder)
    if figures.get("heads"):
        plot_heads(figures["heads"], folder / "heads.svg")


def _truth(part: Predicted, settings: Settings) -> NDArray[np.bool_]:
    return np.asarray(part.label == settings.target)


def _weights(part: Predicted, settings: Settings) -> NDArray[np.float64]:
    truth, prevalence = _truth(part, settings), settings.calibration.prevalence
    return cell_weights(part.cells(), part.group, truth, prevalence, settings.draws)


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
    part: Predicted, thresholds: Mapping[str, float], settings: Settings, *, sick: bool
) -> list[Mark]:
    """Sensitivity (or specificity) by source and operating point, as the tables measure it."""
    part = part.of(_truth(part, settings) == sick)
    found = []
    for source in np.unique(part.source):
        own = part.of(part.source == source)
        for point, threshold in thresholds.items():
            hits = (own.probability >= threshold) == sick
            measured = rate(hits, own.group, settings.report.bootstrap, settings.seed)
            name = point.replace("_", "-")
            row = f"{source} ({measured.images})"
            found.append(Mark(row, name, bar_of(name, measured.as_json())))
    return found


def bar_of(label: str, figure: Mapping[str, float | int | None], group: str = "") -> Bar:
    """A figure of ``figures.json`` as a bar; an undefined one lies at 0 without width."""
    value, low, high = (float(figure[key] or 0.0) for key in ("value", "low", "high"))
    return Bar(label, value, low, high, group)


_PROBES = {
    "as_it_is": "as it is",
    "frame_of_another": "in the frame of another class",
    "lungs_blanked": "lungs blanked",
    "outline_only": "outline alone",
}
_TRIED = {"trained_network": "this network", "frozen_features": "fitted anew"}


def draw_probes(probe: Figures, folder: Path) -> None:
    """Draw what is told without the lungs, and how well the source is told among one class."""
    bars = [
        bar_of(f"{words}, {who}", probe[key][tried]["adults_auc"], who)
        for key, words in _PROBES.items()
        for tried, who in _TRIED.items()
        if tried in probe[key]
    ]
    for label, one in sorted(probe["source_told"].items()):
        share = one["balanced_accuracy"]
        words = f"source told among {label} (guessing {one['guessing']:.2f})"
        bars.append(Bar(words, share, share, share, "source"))
    panels.draw_bars(
        folder / "probes.svg", "What is told without the lungs",
        "area under the curve (source told:\nbalanced accuracy)", bars, 0.5,
    )  # fmt: skip
