"""How much of the heat map lies outside the organ, and what that means for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference.model_folder import GateResult
from inference.prediction import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.model_facts import ModelFacts

# One grey level of the drawn map: nobody sees less, and a share of nothing says nothing.
_FAINTEST = 1 / 255


def outside_share(
    heat_map: NDArray[np.float32] | None, organ: NDArray[np.float32] | None
) -> float | None:
    """Give the share of the heat map that lies outside the organ.

    Parameters
    ----------
    heat_map : numpy.ndarray or None
        float32, shape (cells high, cells wide), 0..1. Its cells are interpolated to the organ's
        resolution: a cell is larger than the edge of an organ is sharp.
    organ : numpy.ndarray or None
        float32, shape (h, w), 0..1, 1 = organ, over the same part of the image.

    Returns
    -------
    float or None
        0..1. None if no cell of the map is strong enough to be seen, or one of the two is missing.
    """
    if heat_map is None or organ is None or float(heat_map.max()) < _FAINTEST:
        return None
    rows, columns = organ.shape
    fine = cv2.resize(heat_map, (columns, rows), interpolation=cv2.INTER_LINEAR)
    outside = fine * (1 - organ)
    return float(np.clip(outside.sum(dtype=float) / fine.sum(dtype=float), 0, 1))


def judge_share(model: ModelFacts, share: float | None) -> GateResult:
    """Refuse an answer that rests on something else than the organ, or say that it may."""
    if share is None:
        return GateResult()
    found = (
        f"{share:.0%} of the map of {model.class_named(model.target).label} lies outside the "
        f"{model.organ}"
    )
    if model.outside_refusal is not None and share >= model.outside_refusal:
        return GateResult(
            reasons=(Reason("map_outside_organ", f"{found}: the answer would rest on that."),)
        )
    if model.outside_caution is not None and share >= model.outside_caution:
        return GateResult(
            cautions=(
                Reason("map_partly_outside_organ", f"{found}; look at the map with the number."),
            )
        )
    return GateResult()
