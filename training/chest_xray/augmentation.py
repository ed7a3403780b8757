"""Random changes of a lung box that keep its diagnosis and blur its origin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import prepare

Floats = NDArray[np.float32]
_SIDE = prepare.INPUT_SIDE


def augmented(part: prepare.Crop, rng: np.random.Generator) -> Floats:
    """A changed copy of the classifier's input.

    Parameters
    ----------
    part : prepare.Crop
        As in serving, before the outside is greyed.
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    numpy.ndarray
        float32, shape (INPUT_SIDE, INPUT_SIDE), 0..1.
    """
    # The hull's outline alone tells the source (AUC 0.79): move it apart from the lungs.
    hull = cv2.warpAffine(part.hull, _motion(rng, 0.05, 4, 0.03), (_SIDE, _SIDE))
    values = prepare.compose(
        prepare.Crop(_toned(part.equalised, rng), np.asarray(hull, np.uint8)),
        sharpness=int(rng.integers(84, 129)),
    )
    values = _moved(values, rng)
    if rng.random() < 0.5:
        values = _erased(values, rng)
    noise = rng.normal(0, rng.uniform(0, 0.05), values.shape)
    return np.clip(values + noise, 0, 1).astype(np.float32)


def _toned(values: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another grey curve, by a table of 256 values."""
    curve = np.linspace(0, 1, 256) ** float(np.exp(rng.normal(0, 0.25)))
    curve = (curve - 0.5) * rng.uniform(0.7, 1.15) + 0.5 + rng.normal(0, 0.05)
    table = np.clip(np.rint(curve * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(values, table), np.uint8)


def _motion(
    rng: np.random.Generator, zoom: float, degrees: float, shift: float
) -> NDArray[np.float64]:
    """An affine matrix about the centre; the arguments are standard deviations."""
    centre = (_SIDE / 2, _SIDE / 2)
    scale = float(np.exp(rng.normal(0, zoom)))
    matrix = cv2.getRotationMatrix2D(centre, rng.normal(0, degrees), scale)
    moved = np.array([[0, 0, 1], [0, 0, 1]]) * rng.normal(0, shift * _SIDE, (2, 1))
    return np.asarray(matrix + moved, np.float64)


def _moved(values: Floats, rng: np.random.Generator) -> Floats:
    matrix = _motion(rng, 0.08, 6, 0.04)
    matrix[0] *= rng.uniform(0.9, 1.1)  # chests are broad and narrow
    moved = cv2.warpAffine(values, matrix, (_SIDE, _SIDE), borderValue=prepare.GREY)
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    return np.ascontiguousarray(moved, np.float32)


def _erased(values: Floats, rng: np.random.Generator) -> Floats:
    """Grey out one or two ovals, so that no single spot decides."""
    values = values.copy()
    for _ in range(int(rng.integers(1, 3))):
        x, y = (int(v) for v in rng.integers(0, _SIDE, 2))
        axes = tuple(int(v) for v in rng.integers(8, 28, 2))
        cv2.ellipse(values, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, prepare.GREY, -1)
    return values
