"""Which share of a positive map lies outside the lungs, and what limits on it would meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.outside import outside_share
from training.chest_xray.positives import Judged
from training.intervals import rate

Floats = NDArray[np.float32]
Figures = dict[str, Any]
# Of right positives: how many the caution and the refusal may meet.
_CAUTIONED, _REFUSED = 0.10, 0.01

Organ = Callable[[NDArray[np.uint8]], Floats]
"""Marked lungs of a crop (side, side) -> what ``prepare`` gives as ``Prepared.organ``."""


def outside_figures(
    judged: Mapping[int, Judged],
    organ: Organ,
    heat_map_range: tuple[float, float],
    target: str,
    times: int,
    seed: int,
) -> Figures:
    """Which share of the drawn map lies outside the lungs, of right and of false positives.

    Parameters
    ----------
    judged : mapping
        Fold -> its positives (see :func:`called_positive`).
    organ : callable
        As serving marks the lungs.
    heat_map_range : tuple of float
        Log-odds that are drawn as 0 and as 1, as in the model's facts.
    target : str
        The class that rightly is positive.
    times, seed : int
        Resamples of groups behind each interval, and the run's seed.

    Returns
    -------
    dict
        ``caution`` and ``refusal``: proposed shares, the 90th and 99th percentile of the right
        positives; under ``right`` and ``false`` the quantiles and what these shares would meet.
    """
    found = [one for part in judged.values() for one in _shares(part, organ, heat_map_range)]
    right = np.array([label == target for _, _, label in found], bool)
    shares = np.array([share for share, _, _ in found], float)
    groups = np.array([group for _, group, _ in found], str)
    if not right.any():
        return {"caution": None, "refusal": None}
    caution, refusal = np.quantile(shares[right], (1 - _CAUTIONED, 1 - _REFUSED))
    figures: Figures = {"caution": round(float(caution), 3), "refusal": round(float(refusal), 3)}
    for name, kept in (("right", right), ("false", ~right)):
        if kept.any():
            points = np.quantile(shares[kept], (0.1, 0.5, 0.9, 0.99))
            figures[name] = {
                "quantiles_10_50_90_99": [round(float(point), 3) for point in points],
                "cautioned": rate(shares[kept] >= caution, groups[kept], times, seed).as_json(),
                "refused": rate(shares[kept] >= refusal, groups[kept], times, seed).as_json(),
            }
    return figures


def _shares(
    part: Judged, organ: Organ, heat_map_range: tuple[float, float]
) -> Iterator[tuple[float, str, str]]:
    """Share, group and label of each image whose map can be seen."""
    low, high = heat_map_range
    for index, row in enumerate(part.crops.rows):
        drawn = np.clip((part.maps[index] - low) / (high - low), 0, 1).astype(np.float32)
        share = outside_share(drawn, organ(part.crops.lungs[index]))
        if share is not None:
            yield share, row.group, row.label
