"""The numbers behind the plots: reliability, ROC and net benefit, from plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score, roc_curve

from training.chest_xray.calibration import at_prevalence, tenths
from training.chest_xray.drawing import shared_weights
from training.errors import TableError
from training.intervals import resampled

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
_GRID = 101


@dataclass(frozen=True)
class Bin:
    """Images of similar probability.

    Attributes
    ----------
    forecast, observed : float
        Mean probability, and share with the target class, both by weight.
    low, high : float
        95 % interval of ``observed``, over groups.
    images : int
        How many there are.
    """

    forecast: float
    observed: float
    low: float
    high: float
    images: int


def cell_weights(
    cells: NDArray[np.str_],
    groups: NDArray[np.str_],
    truth: Truth,
    prevalence: float,
    shares: Mapping[str, float],
) -> Floats:
    """Weights that sum to 1, with ``prevalence`` on the target class.

    Parameters
    ----------
    cells : numpy.ndarray
        Source and class of each image, such as "nih normal".
    groups : numpy.ndarray
        Images of one patient share a group; inside a cell it counts by the root of their number,
        as in training and calibration.
    truth : numpy.ndarray
        Whether it shows the target class.
    prevalence : float
        0..1.
    shares : mapping
        Weight of each cell, whatever its number of images; cells of one class need not sum to 1.

    Raises
    ------
    TableError
        A cell has no share, or one of the two classes has no image.
    """
    if unknown := sorted({str(name) for name in cells} - set(shares)):
        raise TableError(f"every source and class must have a share; {unknown[0]} has none")
    weights = shared_weights(cells, groups, shares)
    if not (weights[truth].sum() > 0 and weights[~truth].sum() > 0):
        raise TableError("weights need images with and without the target class")
    return at_prevalence(weights, truth, prevalence)


def reliability(
    probabilities: Floats, truth: Truth, weights: Floats, groups: NDArray[np.str_], seed: int
) -> list[Bin]:
    """Ten bins of about the same weight, in ascending order of probability."""
    return [
        _bin(chosen, probabilities, truth, weights, groups, seed + number)
        for number, chosen in enumerate(tenths(probabilities, weights))
        if len(chosen)
    ]


def _bin(
    chosen: NDArray[np.int64],
    probabilities: Floats,
    truth: Truth,
    weights: Floats,
    groups: NDArray[np.str_],
    seed: int,
) -> Bin:
    own, sick = weights[chosen], truth[chosen]

    def share(part: NDArray[np.int64]) -> float:
        return float(np.average(sick[part], weights=own[part]))

    observed = resampled(share, groups[chosen], 500, seed)
    forecast = float(np.average(probabilities[chosen], weights=own))
    values = (observed.value, observed.low, observed.high)
    value, low, high = (float("nan") if v is None else v for v in values)
    return Bin(forecast, value, low, high, len(chosen))


@dataclass(frozen=True)
class Roc:
    """A curve on a fixed grid: sensitivity at each share of false alarms, and its area."""

    false_alarms: Floats
    sensitivity: Floats
    area: float


def roc(scores: Floats, truth: Truth) -> Roc:
    """ROC curve; a grid of hundredths keeps files small and is finer than the data."""
    x, y, _ = roc_curve(truth, scores)
    grid = np.linspace(0.0, 1.0, _GRID)
    return Roc(grid, np.interp(grid, x, y), float(roc_auc_score(truth, scores)))


@dataclass(frozen=True)
class NetBenefit:
    """Decision curve: true alarms per patient less the false ones, at the exchange rate of t.

    Attributes
    ----------
    thresholds : numpy.ndarray
        Probability at which one would act, 0..1.
    model, treat_all : numpy.ndarray
        Net benefit per patient; treating nobody is 0.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats


def net_benefit(
    probabilities: Floats, truth: Truth, weights: Floats, reference: float, prevalence: float
) -> NetBenefit:
    """Net benefit where ``prevalence`` of the patients have the disease.

    Parameters
    ----------
    probabilities : numpy.ndarray
        Calibrated at the prevalence ``reference``; taken to ``prevalence`` by Bayes' rule.
    truth, weights : numpy.ndarray
        Target class or not; weights inside each of the two.

    References
    ----------
    Vickers and Elkin, Decision curve analysis, Medical Decision Making 2006.
    """
    shift = logit(prevalence) - logit(reference)
    there = expit(logit(np.clip(probabilities, 1e-6, 1 - 1e-6)) + shift)
    thresholds = np.linspace(0.01, 0.8, 80)
    sick, well = weights * truth, weights * ~truth
    found = np.array([sick[there >= t].sum() for t in thresholds]) / sick.sum()
    alarms = np.array([well[there >= t].sum() for t in thresholds]) / well.sum()
    price = thresholds / (1 - thresholds) * (1 - prevalence)
    return NetBenefit(thresholds, prevalence * found - price * alarms, prevalence - price)
