"""How good the scores of radiographic extent are, against saying the mean for every image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from inference.models.chest_xray.extent import LEVEL_CUTS, LEVEL_LABELS, LEVELED, SCALES, level_of
from training.chest_xray.settings import Settings
from training.intervals import Statistic, resampled
from training.markdown import estimate, table

Floats = NDArray[np.float64]
Figures = dict[str, Any]

# Cohen et al. 2020, "Predicting COVID-19 pneumonia severity on chest X-ray with deep learning":
# mean absolute error on images of the same collection, by a network trained on seven others.
PUBLISHED_ERRORS = {"geographic_extent": 1.14, "opacity": 0.78}
_LEVELS = list(range(1, len(LEVEL_LABELS) + 1))


@dataclass(frozen=True)
class Judged:
    """Scores of images by experts, by the model, and by saying the mean.

    Attributes
    ----------
    experts, predicted, means : numpy.ndarray
        float64, shape (images, 3), in the order of ``SCALES``; NaN where experts gave none.
        ``means`` are those of the images that the prediction was trained on.
    groups : numpy.ndarray
        Group of each image.
    """

    experts: Floats
    predicted: Floats
    means: Floats
    groups: NDArray[np.str_]

    def of(self, measure: int) -> tuple[Floats, Floats, Floats, NDArray[np.str_]]:
        """One score of the images that have it and were predicted."""
        kept = np.isfinite(self.experts[:, measure]) & np.isfinite(self.predicted[:, measure])
        parts = (self.experts, self.predicted, self.means)
        experts, predicted, means = (part[kept, measure] for part in parts)
        return experts, predicted, means, self.groups[kept]


def extent_figures(judged: Judged, settings: Settings) -> Figures:
    """Every figure of radiographic extent, as JSON.

    A score may be shown if its mean absolute error is smaller than that of saying the mean, and a
    level if the geographic extent is and the levels agree better than by chance: each with an
    interval that excludes zero.
    """
    keys = [scale.key for scale in SCALES]
    measures = {key: _measure(judged, i, settings) for i, key in enumerate(keys)}
    level = _level(judged, keys.index(LEVELED), settings)
    return {
        "measures": measures,
        "level": level,
        "shown": bool(measures[LEVELED]["shown"] and _above_zero(level["kappa"])),
        "published_errors": PUBLISHED_ERRORS,
    }


def _measure(judged: Judged, measure: int, settings: Settings) -> Figures:
    """Errors and agreement of one score."""
    experts, predicted, means, groups = judged.of(measure)
    error, simple = np.abs(predicted - experts), np.abs(means - experts)
    steps = list(range(int(SCALES[measure].highest) + 1))
    whole, guessed, flat = (np.rint(v).astype(int) for v in (experts, predicted, means))
    found = {
        "mae": _interval(lambda chosen: float(error[chosen].mean()), groups, settings),
        "mae_of_mean": _interval(lambda chosen: float(simple[chosen].mean()), groups, settings),
        "gain": _interval(lambda chosen: float((simple - error)[chosen].mean()), groups, settings),
        "kappa": _interval(_kappa(whole, guessed, steps), groups, settings),
        "kappa_of_mean": _interval(_kappa(whole, flat, steps), groups, settings),
        "kappa_gain": _interval(
            _difference(_kappa(whole, guessed, steps), _kappa(whole, flat, steps)), groups, settings
        ),
    }
    return {**found, "shown": _above_zero(found["gain"])}


def _level(judged: Judged, measure: int, settings: Settings) -> Figures:
    """Agreement of the three levels."""
    experts, predicted, means, groups = judged.of(measure)
    told, ours, flat = (
        np.array([level_of(score) for score in part], int) for part in (experts, predicted, means)
    )
    right, simple = ours == told, flat == told
    commonest = told == (np.bincount(told).argmax() if len(told) else 0)
    return {
        "cuts": list(LEVEL_CUTS),
        "accuracy": _interval(lambda chosen: float(right[chosen].mean()), groups, settings),
        "accuracy_of_mean": _interval(
            lambda chosen: float(simple[chosen].mean()), groups, settings
        ),
        "accuracy_of_commonest": _interval(
            lambda chosen: float(commonest[chosen].mean()), groups, settings
        ),
        "kappa": _interval(_kappa(told, ours, _LEVELS), groups, settings),
        "table": confusion_matrix(told, ours, labels=_LEVELS).tolist() if len(told) else [],
    }


def _interval(statistic: Statistic, groups: NDArray[np.str_], settings: Settings) -> Figures:
    return resampled(statistic, groups, settings.report.bootstrap, settings.seed).as_json()


def _kappa(one: NDArray[Any], other: NDArray[Any], labels: list[int]) -> Statistic:
    """Quadratic weighted kappa; undefined (NaN) where both always say the same one value."""

    def kappa(chosen: NDArray[np.int64]) -> float:
        first, second = one[chosen], other[chosen]
        if np.ptp(first) == 0 and np.array_equal(first, second):
            return float("nan")
        return float(cohen_kappa_score(first, second, weights="quadratic", labels=labels))

    return kappa


def _difference(one: Statistic, other: Statistic) -> Statistic:
    return lambda chosen: one(chosen) - other(chosen)


def _above_zero(interval: Figures) -> bool:
    return interval["low"] is not None and interval["low"] > 0


def tables(figures: Figures) -> list[str]:
    """Paragraphs and tables for the model card.

    Parameters
    ----------
    figures : dict
        As :func:`extent_figures` gives it.
    """
    measures = figures["measures"]
    rows = [_row(_capital(scale.label), scale.highest, measures[scale.key]) for scale in SCALES]
    head = ("score (mean absolute error)", "model", "saying the mean", "gain", "weighted kappa")
    return [
        "**Radiographic extent**, grouped cross-validation on images scored by experts: each by a "
        "network and a head that never saw its fold. It says how much of the lungs is opaque, not "
        "how ill somebody is. A score is shown only if its gain over saying the mean excludes "
        "zero.",
        table(head, rows),
        _level_words(figures),
        _compared(figures["published_errors"]),
    ]


def _row(label: str, highest: float, found: Figures) -> tuple[str, ...]:
    keys = ("mae", "mae_of_mean", "gain", "kappa")
    count = f"n {found['mae']['images']} / {found['mae']['groups']}"
    return f"{label}, 0 to {highest:.0f}, {count}", *(estimate(found[key]) for key in keys)


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _level_words(figures: Figures) -> str:
    level = figures["level"]
    low, high = level["cuts"]
    rule = (
        f"Levels of the geographic extent: limited up to {low:.0f}, moderate up to {high:.0f}, "
        "extensive above (the scale gives each lung 1 for under a quarter, 2 for up to half). "
    )
    if level["accuracy"]["value"] is None:
        return f"{rule}Too few images have a score: no level is shown."
    shown = "Levels are shown." if figures["shown"] else "That is too little: no level is shown."
    return (
        f"{rule}Right level: {estimate(level['accuracy'])} (saying the mean's level: "
        f"{estimate(level['accuracy_of_mean'])}; saying the commonest level: "
        f"{estimate(level['accuracy_of_commonest'])}), weighted kappa {estimate(level['kappa'])}. "
        f"{shown}"
    )


def _compared(published: dict[str, float]) -> str:
    known = ", ".join(
        f"{published[scale.key]:.2f} of {scale.highest:.0f} ({scale.label})"
        for scale in SCALES
        if scale.key in published
    )
    return (
        f"To compare: Cohen et al. 2020 had mean absolute errors of {known} on images of the same "
        "collection, split otherwise."
    )
