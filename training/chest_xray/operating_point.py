"""Temperature and thresholds, from the fold for choices only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.drawing import draw_weights
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row

_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8.0), 200))
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class OperatingPoint:
    """How logits become an answer.

    Attributes
    ----------
    temperature : float
        The logits are divided by it.
    threshold : float
        Positive at or above this probability.
    prevalence : float
        Share of the target among the weighted images on which the temperature was fitted.
    images : int
        How many images were used.
    """

    temperature: float
    threshold: float
    prevalence: float
    images: int


def probabilities(logits: Floats, temperature: float) -> NDArray[np.float64]:
    """Softmax of the logits over the temperature, along the last axis."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def choose_operating_point(
    logits: Floats, rows: tuple[Row, ...], settings: Settings
) -> OperatingPoint:
    """Fit the temperature, then balance sensitivity and specificity, on adults.

    Every source and class counts by its share in ``[draws]``, not by how many images it happens
    to have: otherwise the largest normal source alone would set the threshold.
    """
    adult = np.array([not row.child for row in rows])
    logits = logits[adult]
    rows = tuple(row for row in rows if not row.child)
    weights = draw_weights(rows, settings)
    truth = np.array([settings.classes.index(row.label) for row in rows])
    temperature = min(_TEMPERATURES, key=lambda t: _log_loss(logits, truth, weights, float(t)))
    target = truth == settings.target_index
    scores = probabilities(logits, float(temperature))[:, settings.target_index]
    return OperatingPoint(
        temperature=round(float(temperature), 4),
        threshold=round(_balanced(scores, target, weights), 4),
        prevalence=round(float(weights[target].sum()), 4),
        images=len(rows),
    )


def _log_loss(
    logits: Floats, truth: NDArray[np.int64], weights: Floats, temperature: float
) -> float:
    chances = probabilities(logits, temperature)[np.arange(len(truth)), truth]
    return float(-(weights * np.log(np.maximum(chances, 1e-12))).sum())


def _balanced(scores: Floats, target: NDArray[np.bool_], weights: Floats) -> float:
    """The threshold whose sensitivity and specificity lie closest together."""
    values = np.unique(scores)
    middles = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    sick, well = weights[target].sum(), weights[~target].sum()

    def gap(threshold: float) -> float:
        sensitivity = weights[target & (scores >= threshold)].sum() / sick
        specificity = weights[~target & (scores < threshold)].sum() / well
        return abs(float(sensitivity - specificity))

    return float(min(middles, key=gap))
