"""Radiographic extent: three scores of experts, read off the classifier's pooled features.

Few images have a score (90 and 172), and the three scores measure nearly the same thing. So one
direction of the features is learnt from all of them together by ridge regression, and each score
is a straight line along it: two numbers a score instead of 1281.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from inference.models.chest_xray.extent import LEVEL_CUTS, SCALES
from training.chest_xray.extent_figures import Judged, extent_figures
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row

log = logging.getLogger(__name__)
Floats = NDArray[np.float64]
FoldFeatures = Mapping[int, NDArray[np.float32]]

_INNER_FOLDS = 5
# Fewer scored groups than this say nothing about a score.
_LEAST_GROUPS = 10
# Of the mean variance of a feature; chosen inside the training folds.
_PENALTIES = np.logspace(0, 5, 11)
_HIGHEST = np.array([scale.highest for scale in SCALES])


@dataclass(frozen=True)
class ExtentHead:
    """Scores as a linear function of pooled features.

    Attributes
    ----------
    weights : numpy.ndarray
        float64, shape (features, 3), in the order of ``SCALES``.
    bias : numpy.ndarray
        float64, shape (3,).
    """

    weights: Floats
    bias: Floats

    def scores(self, features: NDArray[np.floating[Any]]) -> Floats:
        """Scores of images, shape (images, 3), each clipped to its scale."""
        return np.asarray(np.clip(features @ self.weights + self.bias, 0, _HIGHEST), np.float64)


@dataclass(frozen=True)
class ExtentFit:
    """What :func:`fit_extent` finds.

    Attributes
    ----------
    weights, bias : numpy.ndarray
        float32, shapes (features, 3) and (3,): the served network's output is their linear
        function of the pooled features, clipped to 0..8, 0..6 and 0..18.
    figures : dict
        For ``figures.json``, key ``"extent"``.
    shown : bool
        Whether levels and scores may be shown.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    figures: dict[str, Any]
    shown: bool

    def trained(self) -> dict[str, Any]:
        """What serving needs, for ``trained.json``, key ``"extent"``."""
        measures = self.figures["measures"]
        better = [key for key, found in measures.items() if found["shown"]]
        return {
            "shown": self.shown,
            "cuts": list(LEVEL_CUTS),
            "errors": {key: measures[key]["mae"]["value"] for key in better},
        }


def fit_extent(
    rows: tuple[Row, ...],
    features: FoldFeatures,
    served: NDArray[np.float32],
    settings: Settings,
) -> ExtentFit:
    """Judge the scores by grouped cross-validation, then fit the served head on every scored image.

    Parameters
    ----------
    rows : tuple of Row
        All images; those with a score are used, of the folds in ``features`` only.
    features : mapping
        Fold -> float32, shape (images, features): pooled features of ``rows`` by the network that
        did not train on that fold.
    served : numpy.ndarray
        The same by the network that is served.
    settings : Settings
        ``seed`` and ``report`` are used.

    Returns
    -------
    ExtentFit
        With all weights zero and ``shown`` false where too few images have a score.
    """
    scores = expert_scores(rows)
    fold = np.array([row.fold for row in rows], int)
    used = np.isfinite(scores).any(axis=1) & np.isin(fold, list(features))
    groups = np.array([row.group for row in rows], str)
    judged = _cross_validated(scores, features, fold, groups, used)
    figures = extent_figures(judged, settings)
    head = fit_head(served[used], scores[used], groups[used])
    log.info("extent: %d scored images, shown: %s", int(used.sum()), figures["shown"])
    return ExtentFit(
        head.weights.astype(np.float32), head.bias.astype(np.float32), figures, figures["shown"]
    )


def expert_scores(rows: tuple[Row, ...]) -> Floats:
    """Scores by experts, float64, shape (images, 3), NaN where there is none."""
    given = [(row.geographic_extent, row.opacity, row.brixia) for row in rows]
    values = [[np.nan if score is None else score for score in three] for three in given]
    return np.array(values, np.float64).reshape(-1, len(SCALES))


def _cross_validated(
    scores: Floats,
    features: FoldFeatures,
    fold: NDArray[np.int64],
    groups: NDArray[np.str_],
    used: NDArray[np.bool_],
) -> Judged:
    """Every scored image by a head, and a network, that never saw its fold."""
    predicted, means = np.full_like(scores, np.nan), np.full_like(scores, np.nan)
    for held_out, pooled in sorted(features.items()):
        train, test = used & (fold != held_out), used & (fold == held_out)
        if train.any() and test.any():
            head = fit_head(pooled[train], scores[train], groups[train])
            predicted[test] = head.scores(pooled[test])
            means[test] = _means(scores[train])
    return Judged(scores[used], predicted[used], means[used], groups[used])


def fit_head(
    features: NDArray[np.floating[Any]], scores: Floats, groups: NDArray[np.str_]
) -> ExtentHead:
    """Fit direction and lines; the penalty is chosen by grouped cross-validation inside.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (images, features).
    scores : numpy.ndarray
        Shape (images, 3), NaN where there is none; each image has at least one.
    groups : numpy.ndarray
        Group of each image; never cut.
    """
    means = _means(scores)
    if len(np.unique(groups)) < _LEAST_GROUPS:
        return ExtentHead(np.zeros((features.shape[1], len(SCALES))), means)
    deviations = np.nan_to_num(_spread(scores), nan=1.0)
    common = np.nanmean((scores - means) / deviations, axis=1)
    pooled = features.astype(np.float64)
    scale = float(np.sqrt(pooled.var(axis=0).mean())) or 1.0
    penalty, unseen = _chosen_penalty(pooled / scale, common, groups)
    ridge = Ridge(penalty).fit(pooled / scale, common)
    lines = [_line(unseen, scores[:, i], groups, means[i]) for i in range(len(SCALES))]
    slope, start = np.array(lines).T
    return ExtentHead(np.outer(ridge.coef_ / scale, slope), ridge.intercept_ * slope + start)


def _chosen_penalty(
    features: Floats, common: Floats, groups: NDArray[np.str_]
) -> tuple[float, Floats]:
    """The penalty with the least mean absolute error, and what it says of unseen groups."""
    inner = list(GroupKFold(_INNER_FOLDS).split(features, groups=groups))
    found = []
    for penalty in _PENALTIES * features.shape[1] / 1280:
        unseen = np.zeros_like(common)
        for train, test in inner:
            unseen[test] = (
                Ridge(penalty).fit(features[train], common[train]).predict(features[test])
            )
        found.append((float(np.abs(unseen - common).mean()), float(penalty), unseen))
    _, best, unseen = min(found, key=lambda one: one[0])
    return best, unseen


def _line(
    unseen: Floats, score: Floats, groups: NDArray[np.str_], mean: float
) -> tuple[float, float]:
    """Slope and start of a score along the direction, as unseen groups lie on it."""
    given = np.isfinite(score)
    if len(np.unique(groups[given])) < _LEAST_GROUPS or not np.ptp(unseen[given]):
        return 0.0, float(mean)
    slope, start = np.polyfit(unseen[given], score[given], 1)
    return float(slope), float(start)


def _means(scores: Floats) -> Floats:
    """Mean of each score; 0 where no image has it."""
    given = np.isfinite(scores)
    return np.asarray(np.nansum(scores, axis=0) / np.maximum(given.sum(axis=0), 1), np.float64)


def _spread(scores: Floats) -> Floats:
    """Standard deviation of each score; NaN where it has none."""
    spread = np.sqrt(_means((scores - _means(scores)) ** 2))
    return np.where(spread > 0, spread, np.nan)
