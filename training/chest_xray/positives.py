"""Images that networks which did not train on them call positive, with their heat maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import network
from training.chest_xray.crops import Crops

Floats = NDArray[np.float32]
Reader = Callable[[Floats], tuple[Floats, Floats]]
"""(images, side, side, 1) -> log-odds of the target (images,) and its map (images, h, w)."""


def reader_of(trained: keras.Model, scale: network.TargetScale) -> Reader:
    """A reader from a classifier as it is trained, calibrated as it is served."""
    served = network.served_classifier(trained, scale)

    def read(inputs: Floats) -> tuple[Floats, Floats]:
        chances, activation = (np.asarray(one) for one in served.predict(inputs, verbose=0)[:2])
        wanted = np.clip(chances[:, scale.target], 1e-7, 1 - 1e-7)
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
        if not part.rows:
            continue
        odds, maps = read(part.composed())
        positive = odds >= np.log(threshold / (1 - threshold))
        rows = tuple(row for row, hit in zip(part.rows, positive, strict=True) if hit)
        found[fold] = Judged(part.of(rows), odds[positive], maps[positive])
    return found
