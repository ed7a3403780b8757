"""Training of the network that tells turned, mirrored and inverted pictures from proper ones.

Every picture is its own lesson: the fault is made, so it is known. What the pictures themselves
hold of it (a few are mirrored by their publishers) is noise in a few labels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from inference.models.chest_xray import prepare
from inference.models.chest_xray.orientation import FAULTS, ORIENTATION_SIDE, orientation_input
from training.chest_xray.gate_settings import OrientationSettings
from training.chest_xray.table import Row, read_pixels
from training.fitting import Batch, Checkpoint, Schedule, fit

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
# Number of this part in the seeds of the run.
_PART = 31
# Columns of the network's answer while it trains: four turns, mirrored, inverted.
_TURNS, _MIRRORED, _INVERTED = slice(0, 4), 4, 5
_LOGITS = 6


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


def load_pictures(data: Path, rows: tuple[Row, ...], key: str, work: Path) -> Pictures:
    """Read and trim every image as serving does, or take what an equal call has kept.

    Parameters
    ----------
    data, rows
        The data folder and which of its images.
    key : str
        Names everything that the result depends on.
    work : pathlib.Path
        Folder outside the repository.
    """
    path = work / f"orientation-{ORIENTATION_SIDE}-{key[:16]}.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([_small(data / row.path) for row in rows]))
    return Pictures(np.load(path, allow_pickle=False), rows)


def _small(path: Path) -> NDArray[np.uint8]:
    picture = prepare.working_picture(read_pixels(path))
    top, left, bottom, right = prepare.trimmed(picture)
    values = orientation_input(picture[top:bottom, left:right])[0, :, :, 0]
    return np.rint(values * 255).astype(np.uint8)


def faulty(picture: Floats, turns: int, mirrored: bool, inverted: bool) -> Floats:
    """The same picture, mirrored, then turned by quarters to the left, then inverted."""
    if mirrored:
        picture = picture[:, ::-1]
    turned = np.rot90(picture, turns)
    return np.ascontiguousarray(1 - turned if inverted else turned, np.float32)


def build() -> keras.Model:
    """The network: 0.1 million weights.

    Returns
    -------
    keras.Model
        (batch, ORIENTATION_SIDE, ORIENTATION_SIDE, 1) in 0..1 -> logits (batch, 6): quarter turns
        to the left 0, 1, 2, 3; mirrored; inverted.
    """
    image = keras.Input((ORIENTATION_SIDE, ORIENTATION_SIDE, 1), name="image")
    x = image
    for number, (width, stride) in enumerate(
        [(16, 2), (24, 1), (32, 2), (32, 1), (48, 2), (48, 1), (64, 2)]
    ):
        x = layers.Conv2D(
            width, 3, strides=stride, padding="same", use_bias=False, name=f"conv{number}"
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    # Where something lies is the question here, so the places are not pooled away.
    x = layers.Conv2D(16, 1, activation="relu", name="narrow")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flat")(x))
    x = layers.Dense(64, activation="relu", name="places")(x)
    return keras.Model(image, layers.Dense(_LOGITS, name="answers")(x), name="orientation")


def loss(truth: Any, logits: Any) -> Any:
    """Cross-entropy of the turn, plus that of mirrored and of inverted."""
    turn = keras.losses.categorical_crossentropy(
        truth[:, _TURNS], logits[:, _TURNS], from_logits=True
    )
    pair = keras.losses.binary_crossentropy(
        truth[:, _MIRRORED:], logits[:, _MIRRORED:], from_logits=True
    )
    return turn + 2 * pair  # Keras gives the mean of the two


def train_orientation(
    pictures: Pictures, own: OrientationSettings, seed: int, work: Path
) -> keras.Model:
    """Train on these pictures; the caller leaves out the folds for choices and report.

    Parameters
    ----------
    pictures : Pictures
        Those to train on.
    own : OrientationSettings
        Section ``[orientation]``.
    seed : int
        Of the run.
    work : pathlib.Path
        Where the checkpoint lies.
    """
    keras.utils.set_random_seed(seed)
    model = build()
    model.compile(keras.optimizers.AdamW(own.learning_rate, weight_decay=1e-3), loss)
    steps = -(-len(pictures.rows) // own.batch)
    schedule = Schedule(own.learning_rate, steps, steps * own.epochs)
    batches = partial(_epoch, pictures, own, seed)
    fit(model, batches, schedule, own.epochs, Checkpoint(work / "orientation.npz"), _say)
    return model


def _say(epoch: int, mean: float) -> None:
    log.info("orientation: epoch %d, loss %.4f", epoch + 1, mean)


def _epoch(pictures: Pictures, own: OrientationSettings, seed: int, epoch: int) -> Iterator[Batch]:
    """Sources are drawn by the root of their size: the largest is all children."""
    rng = np.random.default_rng([seed, _PART, epoch])
    sources = np.array([row.source for row in pictures.rows])
    _, inverse, counts = np.unique(sources, return_inverse=True, return_counts=True)
    chances = (np.sqrt(counts) / counts)[inverse]
    chances = chances / chances.sum()
    for _ in range(-(-len(sources) // own.batch)):
        chosen = rng.choice(len(sources), own.batch, p=chances)
        pairs = [_drawn(pictures.values[int(i)], rng) for i in chosen]
        shown, wanted = (np.stack(side) for side in zip(*pairs, strict=True))
        yield shown[..., None].astype(np.float32), wanted


def _drawn(values: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A changed copy with a made fault: turned in one of two, mirrored and inverted likewise."""
    turns = int(rng.integers(4)) if rng.random() < 2 / 3 else 0
    mirrored, inverted = bool(rng.random() < 0.5), bool(rng.random() < 0.4)
    picture = _varied(values.astype(np.float32) / np.float32(255), rng)
    truth = np.zeros(_LOGITS, np.float32)
    truth[turns], truth[_MIRRORED], truth[_INVERTED] = 1, mirrored, inverted
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


def above_thresholds(trained: keras.Model, thresholds: Floats) -> keras.Model:
    """What is exported: how far the log-odds of each fault lie above its threshold.

    Parameters
    ----------
    trained : keras.Model
        As :func:`build` makes it.
    thresholds : numpy.ndarray
        float32, shape (faults,), log-odds in the order of ``FAULTS``.

    Returns
    -------
    keras.Model
        Same input -> ``faults`` (batch, faults). A turn is judged against upright.
    """
    contrast = layers.Dense(len(FAULTS), name="faults")
    model = keras.Model(trained.input, contrast(trained.output), name="orientation_served")
    kernel = np.zeros((_LOGITS, len(FAULTS)), np.float32)
    kernel[0, :3] = -1
    kernel[[1, 2, 3, _MIRRORED, _INVERTED], range(len(FAULTS))] = 1
    contrast.set_weights([kernel, -np.asarray(thresholds, np.float32)])
    return model
