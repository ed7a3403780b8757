"""Pictures for the orientation network: as they are, changed at random, and put wrong on purpose.

Every picture is its own lesson: the fault is made, so it is known. What the pictures themselves
hold of it (a few are mirrored by their publishers) is noise in a few labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import lung_box, prepare
from inference.models.chest_xray.orientation import ORIENTATION_SIDE, orientation_input
from training.chest_xray.table import Row, read_pixels

Floats = NDArray[np.float32]
# Columns of the network's answer while it trains: four turns, mirrored, inverted.
TURNS, MIRRORED, INVERTED = slice(0, 4), 4, 5
LOGITS = 6
# Fault -> quarter turns to the left, mirrored, inverted.
MADE = {
    "turned_left": (1, False, False),
    "upside_down": (2, False, False),
    "turned_right": (3, False, False),
    "mirrored": (0, True, False),
    "inverted": (0, False, True),
}


@dataclass(frozen=True)
class Pictures:
    """Trimmed pictures as the network sees them.

    Attributes
    ----------
    values : numpy.ndarray
        uint8, shape (images, ORIENTATION_SIDE, ORIENTATION_SIDE), 255 = white.
    rows : tuple of Row
        The table's row of each.
    """

    values: NDArray[np.uint8]
    rows: tuple[Row, ...]

    def of(self, wanted: Callable[[Row], bool]) -> Pictures:
        """The part whose rows are wanted."""
        keep = np.array([wanted(row) for row in self.rows], bool)
        rows = tuple(row for row, kept in zip(self.rows, keep, strict=True) if kept)
        return Pictures(self.values[keep], rows)


def load_pictures(data: Path, rows: tuple[Row, ...], work: Path) -> Pictures:
    """Read and trim every image as serving does, or take what an earlier call has kept.

    Parameters
    ----------
    data, rows : pathlib.Path, tuple of Row
        The data folder and which of its images.
    work : pathlib.Path
        Folder outside the repository, of one set of data.
    """
    path = work / f"orientation-{ORIENTATION_SIDE}-{prepare.PREPARE_VERSION}.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([_small(data / row.path) for row in rows]))
    return Pictures(np.load(path, allow_pickle=False), rows)


def _small(path: Path) -> NDArray[np.uint8]:
    picture = lung_box.working_picture(read_pixels(path))
    top, left, bottom, right = lung_box.trimmed(picture)
    values = orientation_input(picture[top:bottom, left:right])[0, :, :, 0]
    return np.rint(values * 255).astype(np.uint8)


def faulty(picture: Floats, turns: int, mirrored: bool, inverted: bool) -> Floats:
    """The same picture, mirrored, then turned by quarters to the left, then inverted."""
    if mirrored:
        picture = picture[:, ::-1]
    turned = np.rot90(picture, turns)
    return np.ascontiguousarray(1 - turned if inverted else turned, np.float32)


def drawn(values: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A changed copy with a made fault: half are mirrored, some turned, some inverted."""
    # Turns are learned at once; which side is which needs most of the lessons.
    turns = int(rng.integers(4)) if rng.random() < 0.3 else 0
    mirrored, inverted = bool(rng.random() < 0.5), bool(rng.random() < 0.25)
    picture = _varied(values.astype(np.float32) / np.float32(255), rng)
    truth = np.zeros(LOGITS, np.float32)
    truth[turns], truth[MIRRORED], truth[INVERTED] = 1, mirrored, inverted
    return faulty(picture, turns, mirrored, inverted), truth


def _varied(picture: Floats, rng: np.random.Generator) -> Floats:
    """Tilted, zoomed, shifted, re-exposed, blurred, noisy, with letters or without."""
    side = ORIENTATION_SIDE
    scale = float(np.exp(rng.normal(0.05, 0.12)))
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 6), scale)
    matrix[0] *= rng.uniform(0.88, 1.12)
    matrix = matrix + np.array([[0, 0, 1], [0, 0, 1]]) * rng.normal(0, 0.04 * side, (2, 1))
    edge = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    moved: Any = cv2.warpAffine(picture, matrix, (side, side), borderMode=edge, borderValue=0.0)
    values = _marked(np.asarray(moved, np.float32), rng)
    if rng.random() < 0.3:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.4, 1.5)), np.float32)
    values = values ** np.float32(np.exp(rng.normal(0, 0.35)))
    values = (values - 0.5) * rng.uniform(0.6, 1.1) + 0.5 + rng.normal(0, 0.05)
    noise = rng.normal(0, rng.uniform(0, 0.06), values.shape)
    return np.clip(values + noise, 0, 1).astype(np.float32)


def _marked(values: Floats, rng: np.random.Generator) -> Floats:
    """Letters at the edge are covered or made up: they must not tell left from right."""
    values = values.copy()
    side = ORIENTATION_SIDE
    for _ in range(int(rng.integers(0, 4))):
        high, wide = (int(v) for v in rng.integers(3, 16, 2))
        y, x = int(rng.integers(0, side - high)), int(rng.integers(0, side // 5))
        x = side - wide - x if rng.random() < 0.5 else x
        values[y : y + high, x : x + wide] = rng.choice([0.0, 1.0, rng.random()])
    return values
