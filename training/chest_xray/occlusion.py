"""Whether the heat map shows what the network looks at, and whether that lies in the lungs.

The map's hottest cells are covered with the neutral grey; the log-odds must fall further than with
equally many other cells of the lungs covered (Zeiler 2014). And: which share of a positive map lies
outside the lungs, from which the shares for a caution and for a refusal are proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import network, prepare
from inference.models.chest_xray.facts import FACTS
from training.chest_xray.calibration import Calibration, Thresholds
from training.chest_xray.crops import Crops
from training.chest_xray.gate_settings import OcclusionSettings
from training.chest_xray.outside_lungs import outside_figures
from training.chest_xray.positives import Judged, Reader, called_positive, reader_of
from training.chest_xray.settings import Settings
from training.intervals import resampled
from training.markdown import estimate

Floats = NDArray[np.float32]
Figures = dict[str, Any]
# Number of this part in the seeds of the run.
_PART = 34
# A cell belongs to the lungs if they fill this share of it.
_LUNG_CELL = 0.3


@dataclass(frozen=True)
class Explained:
    """What is known of the maps.

    Attributes
    ----------
    figures : dict
        JSON for ``figures.json`` under "occlusion": ``covered`` and ``outside``.
    caution, refusal : float or None
        Shares of the map outside the lungs from which to warn and to refuse; None without any
        rightly positive image.
    """

    figures: Figures
    caution: float | None
    refusal: float | None


def explain(
    models: Mapping[int, keras.Model],
    crops: Crops,
    calibration: Calibration,
    thresholds: Thresholds,
    settings: Settings,
) -> Explained:
    """Occlusion check and shares outside the lungs, on out-of-fold positives of adults.

    Parameters
    ----------
    models : mapping
        Fold -> classifier that did not train on it (see ``network.classifier``).
    crops : Crops
        All lung boxes.
    calibration, thresholds : Calibration, Thresholds
        As served; positive is at or above the balanced point.
    settings : Settings
        Section ``[occlusion]``, seed, target and resamples are used.
    """
    scale = network.TargetScale(settings.target_index, **calibration.scale())
    readers = {fold: reader_of(model, scale) for fold, model in models.items()}
    judged = called_positive(readers, crops, thresholds.balanced)
    times, seed, target = settings.report.bootstrap, settings.seed, settings.target
    outside = outside_figures(judged, prepare.widened, FACTS.heat_map_range, target, times, seed)
    covered = occlusion_figures(readers, judged, target, settings.occlusion, times, seed)
    figures = {"covered": covered, "outside": outside}
    return Explained(figures, outside["caution"], outside["refusal"])


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


def tables(figures: Figures) -> list[str]:
    """Markdown for the model card; see ``Explained.figures``."""
    part = figures["covered"]
    hottest, others = part["hottest"], part["others"]
    lines = [
        "**Does the map mean something** (rightly positive images, by networks that did not train "
        "on them)",
        f"With the {part['cells']} hottest cells of the map covered the log-odds fall by "
        f"{estimate(hottest)}; with as many other lung cells covered by {estimate(others)}. "
        f"Difference in the same image {estimate(part['difference'])}; the hottest cells count "
        f"more in a share of {estimate(part['hottest_fall_more'])} "
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
                f"from {outside['caution']:.2f}: {estimate(one['cautioned'])} | "
                f"from {outside['refusal']:.2f}: {estimate(one['refused'])} |"
            )
