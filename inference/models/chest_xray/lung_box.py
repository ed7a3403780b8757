"""From a decoded chest X-ray to its lungs: border off, a small network marks them, a box around.

Only numpy and OpenCV are used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Finder = Callable[[Floats], Floats]

FINDER_SIDE = 128
# Shorter side after the first reduction: no source of the training data is finer.
WORKING_SIDE = 384
_BORDER_LIMIT = 0.2
_BORDER_CONTRAST = 0.04
_MARGIN = 0.04


@dataclass(frozen=True)
class Lungs:
    """The lungs found in one picture.

    Attributes
    ----------
    box : tuple of float
        Top, left, bottom, right as fractions of the whole picture.
    hull : numpy.ndarray
        int32, shape (points, 2): x, y in pixels of the working picture.
    part : tuple of int
        Top, left, bottom, right of the trimmed picture, in pixels of the working picture.
    mask : numpy.ndarray
        uint8, shape (FINDER_SIDE, FINDER_SIDE), 1 = lung; it covers ``part``.
    """

    box: tuple[float, float, float, float]
    hull: NDArray[np.int32]
    part: tuple[int, int, int, int]
    mask: Bytes


class NoLungs(Exception):  # noqa: N818 - an answer, not a fault
    """No plausible pair of lungs; ``code`` and ``sentence`` say why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def working_picture(pixels: Floats) -> Floats:
    """Reduce to a shorter side of WORKING_SIDE; smaller pictures stay as they are.

    Parameters
    ----------
    pixels : numpy.ndarray
        float32, shape (rows, columns), 0 = black, 1 = white.

    Returns
    -------
    numpy.ndarray
        float32, shape (rows, columns), 0..1.
    """
    rows, columns = pixels.shape
    factor = WORKING_SIDE / min(rows, columns)
    if factor >= 1:
        return pixels
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    return resized(pixels, size)


def trimmed(picture: Floats) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the picture without flat borders, in pixels."""
    top, bottom = _flat_ends(picture)
    left, right = _flat_ends(picture.T)
    return top, left, picture.shape[0] - bottom, picture.shape[1] - right


def _flat_ends(lines: Floats) -> tuple[int, int]:
    """How many first and last lines carry no picture (almost one value along the line)."""
    contrast = np.percentile(lines, 95, axis=1) - np.percentile(lines, 5, axis=1)
    limit = int(len(lines) * _BORDER_LIMIT)
    flat = contrast < _BORDER_CONTRAST
    first = int(np.argmin(flat[: limit + 1])) if not flat[: limit + 1].all() else limit
    back = flat[::-1]
    last = int(np.argmin(back[: limit + 1])) if not back[: limit + 1].all() else limit
    return first, last


def finder_input(part: Floats) -> Floats:
    """The trimmed picture as the lung finder wants it.

    Returns
    -------
    numpy.ndarray
        float32, shape (1, FINDER_SIDE, FINDER_SIDE, 1), the 1st to 99th percentile as 0..1.
    """
    small = resized(part, (FINDER_SIDE, FINDER_SIDE))
    low, high = np.percentile(small, (1, 99))
    stretched = np.clip((small - low) / max(float(high - low), 1e-3), 0, 1)
    return np.asarray(stretched, np.float32)[None, :, :, None]


def find_lungs(picture: Floats, finder: Finder) -> Lungs:
    """Mark the lungs of a working picture.

    Parameters
    ----------
    picture : numpy.ndarray
        As :func:`working_picture` gives it.
    finder : callable
        (1, FINDER_SIDE, FINDER_SIDE, 1) -> probability of lung, same shape.

    Raises
    ------
    NoLungs
        If nothing marked looks like a pair of lungs seen from the front or back.
    """
    top, left, bottom, right = trimmed(picture)
    part = picture[top:bottom, left:right]
    if float(np.ptp(part)) < _BORDER_CONTRAST:
        raise NoLungs("no_contrast", "The picture is blank.")
    probability = finder(finder_input(part))[0, :, :, 0]
    mask = _two_largest(probability)
    _check_plausible(mask, probability)
    return _placed(mask, (top, left, bottom, right), picture.shape)


def _two_largest(probability: Floats) -> Bytes:
    """The two largest marked regions; others are specks."""
    binary = (probability > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary)
    if count < 2:
        return binary
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = [int(k) + 1 for k in np.argsort(areas)[::-1][:2]]
    kept = [k for k in largest if stats[k, cv2.CC_STAT_AREA] >= 0.1 * areas.max()]
    return np.isin(labels, kept).astype(np.uint8)


# Limits with room around what the training images show (see MODEL_CARD.md, "Lung finder").
_LEAST_AREA, _MOST_AREA = 0.08, 0.75
_LEAST_EXTENT = 0.35
_LEAST_SIDE_SHARE = 0.12
_LEAST_CERTAINTY = 0.8


def _check_plausible(mask: Bytes, probability: Floats) -> None:
    area = float(mask.mean())
    if area < _LEAST_AREA:
        raise NoLungs("no_lungs", "No lungs were found in the picture.")
    if area > _MOST_AREA:
        raise NoLungs("no_lungs", "What was marked as lung fills the picture: no chest is framed.")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    extent = min(np.ptp(rows), np.ptp(columns)) / FINDER_SIDE
    middle = (columns[0] + columns[-1] + 1) // 2
    sides = mask[:, :middle].sum() / mask.sum()
    if extent < _LEAST_EXTENT or min(sides, 1 - sides) < _LEAST_SIDE_SHARE:
        raise NoLungs("no_lungs", "No pair of lungs seen from the front or back was found.")
    if float(probability[mask > 0].mean()) < _LEAST_CERTAINTY:
        raise NoLungs("lungs_uncertain", "The lungs could not be marked with certainty.")


def _placed(mask: Bytes, part: tuple[int, int, int, int], shape: tuple[int, ...]) -> Lungs:
    """Scale hull and box from the finder's grid to the working picture."""
    top, left, bottom, right = part
    scale = np.array([(right - left) / FINDER_SIDE, (bottom - top) / FINDER_SIDE])
    points = np.argwhere(mask > 0)[:, ::-1] + 0.5
    hull = cv2.convexHull(np.ascontiguousarray(points * scale + (left, top), np.float32))[:, 0]
    low, high = hull.min(axis=0), hull.max(axis=0)
    margin = (high - low) * _MARGIN
    size = np.array([shape[1], shape[0]], float)
    x0, y0 = np.clip((low - margin) / size, 0, 1)
    x1, y1 = np.clip((high + margin) / size, 0, 1)
    box = (float(y0), float(x0), float(y1), float(x1))
    return Lungs(box, np.rint(hull).astype(np.int32), part, mask)


def resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Scale to (columns, rows): by area where it gets smaller, straight lines where larger."""
    smaller = size[0] < values.shape[1] and size[1] < values.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized: Any = cv2.resize(values, size, interpolation=how)
    return np.asarray(resized, np.float32)
