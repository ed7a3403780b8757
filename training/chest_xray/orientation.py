"""Training of the network that tells turned, mirrored and inverted pictures from proper ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from inference.models.chest_xray.orientation import FAULTS, ORIENTATION_SIDE, ROLE
from training.chest_xray.gate_settings import OrientationSettings
from training.chest_xray.orientation_figures import (
    above_thresholds,
    choose_thresholds,
    orientation_figures,
)
from training.chest_xray.orientation_pictures import (
    LOGITS,
    MIRRORED,
    TURNS,
    Pictures,
    drawn,
    load_pictures,
)
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.export import export_onnx
from training.fitting import Batch, Checkpoint, Schedule, fit

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
# Number of this part in the seeds of the run.
_PART = 31


@dataclass(frozen=True)
class OrientationFit:
    """The trained network with its thresholds.

    Attributes
    ----------
    path : pathlib.Path
        The exported network file.
    sha256 : str
        Of that file.
    figures : dict
        JSON for ``figures.json`` under "orientation".
    """

    path: Path
    sha256: str
    figures: dict[str, Any]


def fit_orientation(
    rows: tuple[Row, ...], data: Path, settings: Settings, work: Path
) -> OrientationFit:
    """Train on the training folds, choose on the fold for choices, judge on the held-out one.

    Parameters
    ----------
    rows, data : tuple of Row, pathlib.Path
        The table and the data folder.
    settings : Settings
        Sections ``[orientation]`` and ``[folds]`` are used.
    work : pathlib.Path
        Checkpoints, pictures and the exported file, outside the repository.
    """
    own, folds, times = settings.orientation, settings.folds, settings.report.bootstrap
    pictures = load_pictures(data, rows, work)
    kept = (folds.held_out, folds.choices)
    training = pictures.of(lambda row: row.fold not in kept and not row.article_overlap)
    choices = pictures.of(lambda row: row.fold == folds.choices)
    held_out = pictures.of(lambda row: row.fold == folds.held_out)
    trained = train_orientation(training, own, settings.seed, work)
    thresholds = choose_thresholds(trained, choices, own)
    served = above_thresholds(trained, thresholds)
    named = zip((fault.key for fault in FAULTS), thresholds, strict=True)
    figures = {
        "thresholds": {name: round(float(value), 4) for name, value in named},
        "choices": orientation_figures(served, choices, times, settings.seed),
        "held_out": orientation_figures(served, held_out, times, settings.seed),
    }
    path = work / f"{ROLE}.onnx"
    shape = (2, ORIENTATION_SIDE, ORIENTATION_SIDE, 1)
    probe = np.random.default_rng(0).random(shape, np.float32)
    return OrientationFit(path, export_onnx(served, path, probe), figures)


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
    return keras.Model(image, layers.Dense(LOGITS, name="answers")(x), name="orientation")


def loss(truth: Any, logits: Any) -> Any:
    """Cross-entropy of the turn, plus that of mirrored and of inverted."""
    turn = keras.losses.categorical_crossentropy(
        truth[:, TURNS], logits[:, TURNS], from_logits=True
    )
    pair = keras.losses.binary_crossentropy(
        truth[:, MIRRORED:], logits[:, MIRRORED:], from_logits=True
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
        pairs = [drawn(pictures.values[int(i)], rng) for i in chosen]
        shown, wanted = (np.stack(side) for side in zip(*pairs, strict=True))
        yield shown[..., None].astype(np.float32), wanted
