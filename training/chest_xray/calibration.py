"""From the network's log-odds to a probability, an interval and three operating points.

Everything is fitted on what networks said about sources that they had never seen (adults, folds
that train): a network is surer of the sources it knows than it has any right to be elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from training.chest_xray.drawing import draw_weights
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import TableError

Scores = NDArray[np.float64]
_KNOTS = 65


@dataclass(frozen=True)
class Calibration:
    """Log-odds of the network -> probability at the reference prevalence.

    Attributes
    ----------
    slope, intercept : float
        probability = sigmoid(slope * log-odds + intercept) (Platt 1999).
    prevalence : float
        Share of the target class that the probabilities are given for.
    knots, low, high : numpy.ndarray
        Probabilities in ascending order, and the Venn-Abers bounds at each.
    images : int
        How many images it was fitted on.
    """

    slope: float
    intercept: float
    prevalence: float
    knots: Scores
    low: Scores
    high: Scores
    images: int

    def probability(self, scores: Scores) -> Scores:
        """Probability of the target class, shape of ``scores``."""
        return np.asarray(expit(self.slope * scores + self.intercept), np.float64)

    def scale(self) -> dict[str, float]:
        """What ``network.TargetScale`` needs besides the class: slope, intercept, prior."""
        prior = float(logit(self.prevalence))
        return {"slope": self.slope, "intercept": self.intercept, "prior": prior}

    def classes(self, logits: NDArray[np.floating[Any]], target: int) -> Scores:
        """Probabilities of all classes, (images, classes): the others share the rest as before."""
        values = np.asarray(logits, np.float64)
        others = np.delete(values, target, axis=1)
        others = np.exp(others - others.max(axis=1, keepdims=True))
        others = others / others.sum(axis=1, keepdims=True)
        target_share = self.probability(log_odds(values, target))
        rest = others * (1 - target_share)[:, None]
        return np.insert(rest, target, target_share, axis=1)


def log_odds(logits: Scores, target: int) -> Scores:
    """Log-odds of one class against all others together, shape (images,)."""
    others = np.delete(logits, target, axis=1)
    top = others.max(axis=1, keepdims=True)
    rest = top[:, 0] + np.log(np.exp(others - top).sum(axis=1))
    return np.asarray(logits[:, target] - rest)


def balanced_weights(rows: tuple[Row, ...], settings: Settings, prevalence: float) -> Scores:
    """Weights that sum to 1, the target class to ``prevalence``; inside, cells by ``[draws]``.

    Not by how many images a source happens to have: else the largest would decide alone.
    """
    weights = draw_weights(rows, settings)
    sick = np.array([row.label == settings.target for row in rows])
    if sick.all() or not sick.any():
        raise TableError("calibration must see images with and without the target class")
    return at_prevalence(weights, sick, prevalence)


def at_prevalence(weights: Scores, sick: NDArray[np.bool_], prevalence: float) -> Scores:
    """The same weights inside each of the two classes, which sum to prevalence and the rest."""
    weighed = np.where(
        sick,
        prevalence * weights / weights[sick].sum(),
        (1 - prevalence) * weights / weights[~sick].sum(),
    )
    return np.asarray(weighed, np.float64)


def calibrate(scores: Scores, rows: tuple[Row, ...], settings: Settings) -> Calibration:
    """Fit slope and intercept by weighted logistic regression, and the Venn-Abers bounds.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999.
    Vovk and Petej, Venn-Abers predictors, UAI 2014.
    """
    prevalence = settings.calibration.prevalence
    weights = balanced_weights(rows, settings, prevalence) * len(rows)
    truth = np.array([row.label == settings.target for row in rows])
    regression = LogisticRegression(C=1e6, max_iter=1000)
    regression.fit(scores[:, None], truth, sample_weight=weights)
    slope, intercept = float(regression.coef_[0, 0]), float(regression.intercept_[0])
    probabilities = np.asarray(expit(slope * scores + intercept))
    knots = np.unique(np.round(np.quantile(probabilities, np.linspace(0, 1, _KNOTS)), 4))
    low, high = venn_abers(probabilities, truth, weights, knots)
    return Calibration(slope, intercept, prevalence, knots, low, high, len(rows))


def venn_abers(
    probabilities: Scores, truth: NDArray[np.bool_], weights: Scores, asked: Scores
) -> tuple[Scores, Scores]:
    """Lower and upper probability at each asked value.

    The value is added to the calibration images once as without and once as with the target class;
    isotonic regression answers both times.
    """
    bounds = np.zeros((2, len(asked)))
    own = float(weights.mean())
    for label in (0, 1):
        for number, value in enumerate(asked):
            regression = IsotonicRegression(out_of_bounds="clip")
            regression.fit(
                np.append(probabilities, value), np.append(truth, label), np.append(weights, own)
            )
            bounds[label, number] = regression.predict([value])[0]
    low, high = np.minimum(bounds[0], asked), np.maximum(bounds[1], asked)
    return np.round(low, 4), np.round(high, 4)


def tenths(probabilities: Scores, weights: Scores) -> list[NDArray[np.int64]]:
    """Indices of the images in ten bins of about the same weight, by ascending probability."""
    order = np.argsort(probabilities, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    bins = np.minimum((share * 10 - 1e-9).astype(int), 9)
    return [order[bins == number] for number in range(10)]


def expected_error(probabilities: Scores, truth: NDArray[np.bool_], weights: Scores) -> float:
    """Expected calibration error: mean distance of forecast and frequency, ten bins of one weight.

    References
    ----------
    Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    total = 0.0
    for chosen in tenths(probabilities, weights):
        weight = weights[chosen].sum()
        if weight > 0:
            gap = np.average(probabilities[chosen], weights=weights[chosen]) - np.average(
                truth[chosen], weights=weights[chosen]
            )
            total += abs(float(gap)) * float(weight)
    return total / float(weights.sum())


@dataclass(frozen=True)
class Thresholds:
    """Probabilities at or above which an image counts as positive."""

    rule_out: float
    balanced: float
    rule_in: float


def choose_thresholds(
    probabilities: Scores, rows: tuple[Row, ...], settings: Settings
) -> Thresholds:
    """The three points on images of unseen sources, every cell by its share.

    rule_out keeps the sensitivity that ``[calibration]`` names, rule_in the specificity; balanced
    is where both are closest.
    """
    own = settings.calibration
    weights = balanced_weights(rows, settings, 0.5)
    sick = np.array([row.label == settings.target for row in rows])
    values = np.unique(probabilities)
    middles = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    sensitivity = np.array([2 * weights[sick & (probabilities >= t)].sum() for t in middles])
    specificity = np.array([2 * weights[~sick & (probabilities < t)].sum() for t in middles])
    balanced = float(middles[np.argmin(np.abs(sensitivity - specificity))])
    kept, right = middles[sensitivity >= own.rule_out], middles[specificity >= own.rule_in]
    rule_out = float(kept.max()) if len(kept) else float(middles.min())
    rule_in = float(right.min()) if len(right) else float(middles.max())
    return Thresholds(
        round(min(rule_out, balanced), 4), round(balanced, 4), round(max(rule_in, balanced), 4)
    )
