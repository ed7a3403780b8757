"""Whether the heat map shows what the network looks at, and whether that lies in the lungs.

The map's hottest cells are covered with the neutral grey; the log-odds must fall further than with
equally many other cells of the lungs covered (Zeiler 2014). And: which share of a positive map lies
outside the lungs, from which the shares for a caution and for a refusal are proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import prepare
from inference.outside import outside_share
from training.chest_xray.crops import Crops
from training.chest_xray.gate_settings import OcclusionSettings
from training.intervals import rate, resampled

Floats = NDArray[np.float32]
Figures = dict[str, Any]
Reader = Callable[[Floats], tuple[Floats, Floats]]
"""(images, side, side, 1) -> log-odds of the target (images,) and its map (images, h, w)."""

# Number of this part in the seeds of the run.
_PART = 34
# A cell belongs to the lungs if they fill this share of it.
_LUNG_CELL = 0.3
# Of right positives: how many the caution and the refusal may meet.
_CAUTIONED, _REFUSED = 0.10, 0.01


def reader_of(served: keras.Model, target: int) -> Reader:
    """A reader from a network with the outputs that are served.

    Parameters
    ----------
    served : keras.Model
        As ``network.served_classifier`` gives it.
    target : int
        Index of the class that the map is of.
    """

    def read(inputs: Floats) -> tuple[Floats, Floats]:
        chances, activation = (np.asarray(one) for one in served.predict(inputs, verbose=0)[:2])
        wanted = np.clip(chances[:, target], 1e-7, 1 - 1e-7)
        return np.log(wanted / (1 - wanted)), activation

    return read


@dataclass(frozen=True)
class Judged:
    """Adults' images read by networks that did not train on them, and called positive.

    Attributes
    ----------
    crops : Crops
        The images.
    odds : numpy.ndarray
        float32, shape (images,): log-odds of the target.
    maps : numpy.ndarray
        float32, shape (images, h, w): log-odds of each cell.
    """

    crops: Crops
    odds: Floats
    maps: Floats


def called_positive(
    readers: Mapping[int, Reader], crops: Crops, threshold: float
) -> dict[int, Judged]:
    """Out-of-fold positives: fold -> adults of that fold at or above the threshold.

    Parameters
    ----------
    readers : mapping
        Fold -> reader that did not train on it.
    crops : Crops
        All images; those of other folds are passed over.
    threshold : float
        On the probability.
    """
    found = {}
    for fold, read in readers.items():
        part = crops.of(tuple(row for row in crops.rows if row.fold == fold and not row.child))
        odds, maps = read(part.composed())
        positive = odds >= np.log(threshold / (1 - threshold))
        rows = tuple(row for row, hit in zip(part.rows, positive, strict=True) if hit)
        found[fold] = Judged(part.of(rows), odds[positive], maps[positive])
    return found


def occlusion_figures(
    readers: Mapping[int, Reader],
    judged: Mapping[int, Judged],
    target: str,
    own: OcclusionSettings,
    times: int,
    seed: int,
) -> Figures:
    """Cover the hottest cells, or as many other lung cells, and compare the log-odds.

    Parameters
    ----------
    readers, judged : mapping
        Fold -> reader, and its positives (see :func:`called_positive`).
    target : str
        Only images that rightly are positive count.
    own : OcclusionSettings
        Section ``[occlusion]``.
    times, seed : int
        Resamples of groups behind each interval, and the run's seed.

    Returns
    -------
    dict
        Mean fall of the log-odds with the hottest cells covered, with others covered, their
        difference in the same image, and the share of images in which the hottest count more.
    """
    rng = np.random.default_rng([seed, _PART])
    drops, groups = [], []
    cells = 0
    for fold, index in _sample(judged, target, own.images, rng):
        part = judged[fold]
        grid = part.maps.shape[1:]
        cells = max(1, round(own.covered * grid[0] * grid[1]))
        coverings = _coverings(part, index, cells, own.draws, rng)
        if coverings is None:
            continue
        pictures = np.stack([_covered(part.crops.crop(index), one) for one in coverings])
        fallen = part.odds[index] - readers[fold](pictures[..., None])[0]
        drops.append((float(fallen[0]), float(fallen[1:].mean())))
        groups.append(part.crops.rows[index].group)
    pairs = np.array(drops).reshape(-1, 2)
    return {"cells": cells, **_compared(pairs, np.array(groups, str), times, seed)}


def _sample(
    judged: Mapping[int, Judged], target: str, images: int, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Fold and place of some images that are rightly positive."""
    right = [
        (fold, index)
        for fold, part in judged.items()
        for index, row in enumerate(part.crops.rows)
        if row.label == target
    ]
    for chosen in rng.permutation(len(right))[:images]:
        yield right[int(chosen)]


def _coverings(
    part: Judged, index: int, cells: int, draws: int, rng: np.random.Generator
) -> list[NDArray[np.bool_]] | None:
    """The hottest cells, then other lung cells at random; None where there are too few."""
    grid = part.maps.shape[1:]
    hottest = np.argsort(part.maps[index].ravel())[::-1][:cells]
    lungs = cv2.resize(
        part.crops.lungs[index].astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA
    )
    others = np.setdiff1d(np.flatnonzero(lungs.ravel() >= _LUNG_CELL), hottest)
    if len(others) < cells:
        return None
    chosen = [hottest, *(rng.choice(others, cells, replace=False) for _ in range(draws))]
    return [np.isin(np.arange(lungs.size), one).reshape(grid) for one in chosen]


def _covered(part: prepare.Crop, cells: NDArray[np.bool_]) -> Floats:
    """The classifier's input with some cells of the map's grid in the neutral grey."""
    side = part.equalised.shape[0]
    flat = cv2.resize(cells.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    grey = np.uint8(round(prepare.GREY * 255))
    return prepare.compose(
        prepare.Crop(np.where(flat > 0, grey, part.equalised).astype(np.uint8), part.hull)
    )


def _compared(
    pairs: NDArray[np.float64], groups: NDArray[np.str_], times: int, seed: int
) -> Figures:
    columns = {
        "hottest": pairs[:, 0],
        "others": pairs[:, 1],
        "difference": pairs[:, 0] - pairs[:, 1],
        "hottest_fall_more": (pairs[:, 0] > pairs[:, 1]).astype(float),
    }
    return {name: _mean(values, groups, times, seed) for name, values in columns.items()}


def _mean(values: NDArray[np.float64], groups: NDArray[np.str_], times: int, seed: int) -> Figures:
    found = resampled(lambda chosen: float(values[chosen].mean()), groups, times, seed)
    return dict(found.as_json())


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


def tables(figures: Figures) -> list[str]:
    """Markdown for the model card; ``figures`` holds ``occlusion`` and ``outside``."""
    part = figures["occlusion"]
    hottest, others = part["hottest"], part["others"]
    lines = [
        "**Does the map mean something** (rightly positive images, by networks that did not train "
        "on them)",
        f"With the {part['cells']} hottest cells of the map covered the log-odds fall by "
        f"{_figure(hottest)}; with as many other lung cells covered by {_figure(others)}. "
        f"Difference in the same image {_figure(part['difference'])}; the hottest cells count more "
        f"in a share of {_figure(part['hottest_fall_more'])} "
        f"(n {hottest['images']} / {hottest['groups']}).",
    ]
    outside = figures["outside"]
    if outside["caution"] is None:
        return lines
    lines.append(
        "| share of the map outside the lungs | median | 90th percentile | caution | refusal |\n"
        "| --- | --- | --- | --- | --- |\n" + "\n".join(_outside_lines(outside))
    )
    return lines


def _outside_lines(outside: Figures) -> Iterator[str]:
    for key, name in (("right", "rightly positive"), ("false", "falsely positive")):
        if one := outside.get(key):
            _, middle, ninth, _ = one["quantiles_10_50_90_99"]
            yield (
                f"| {name} | {middle:.2f} | {ninth:.2f} | "
                f"from {outside['caution']:.2f}: {_figure(one['cautioned'])} | "
                f"from {outside['refusal']:.2f}: {_figure(one['refused'])} |"
            )


def _figure(found: Figures) -> str:
    if found["value"] is None:
        return "–"
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
