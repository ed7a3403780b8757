"""Rates and areas under the curve with 95 % intervals from resampled groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and the images and groups behind it.

    ``value`` is None where the figure is undefined (no image, or one class only).
    """

    value: float | None
    low: float | None
    high: float | None
    images: int
    groups: int

    def as_json(self) -> dict[str, float | int | None]:
        """Rounded to four digits."""
        parts = asdict(self)
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in parts.items()}


def rate(hits: NDArray[np.bool_], groups: NDArray[np.str_], times: int, seed: int) -> Interval:
    """Share of hits."""
    return resampled(lambda chosen: float(hits[chosen].mean()), groups, times, seed)


def area_under_curve(
    truth: NDArray[np.bool_],
    scores: NDArray[np.float64],
    groups: NDArray[np.str_],
    times: int,
    seed: int,
) -> Interval:
    """Area under the ROC curve; resamples with one class only are left out."""
    return resampled(ranked_area(truth, scores), groups, times, seed)


def ranked_area(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> Statistic:
    """Area under the ROC curve of any choice of images; NaN where they show one class only.

    Ranks are computed once, so that a thousand resamples take no thousand sorts: scikit-learn's
    ``roc_auc_score`` gives the same figure and needs fifty times as long.

    Raises
    ------
    ValueError
        If a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    values, rank = np.unique(scores, return_inverse=True)

    def area(chosen: NDArray[np.int64]) -> float:
        wanted, ranks = truth[chosen], rank[chosen]
        sick = np.bincount(ranks[wanted], minlength=len(values))
        well = np.bincount(ranks[~wanted], minlength=len(values))
        pairs = int(sick.sum()) * int(well.sum())
        below = np.cumsum(well) - well / 2  # of equal scores, half counts
        return float((sick * below).sum() / pairs) if pairs else float("nan")

    return area


def resampled(statistic: Statistic, groups: NDArray[np.str_], times: int, seed: int) -> Interval:
    """Percentile bootstrap over whole groups: images of one patient are not independent.

    Parameters
    ----------
    statistic : callable
        Indices of images -> figure; NaN where it is undefined.
    groups : numpy.ndarray
        The group of each image.
    times, seed : int
        Number of resamples and their seed.
    """
    if len(groups) == 0:
        return Interval(None, None, None, 0, 0)
    _, inverse = np.unique(groups, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(times):
        chosen = rng.integers(0, len(members), len(members))
        drawn.append(statistic(np.concatenate([members[i] for i in chosen])))
    value, values = statistic(np.arange(len(groups))), np.array(drawn)
    values = values[np.isfinite(values)]
    if not np.isfinite(value) or not len(values):
        return Interval(None, None, None, len(groups), len(members))
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(float(value), float(low), float(high), len(groups), len(members))
