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
from training.intervals import rate

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
# Number of this part in the seeds of the run.
_PART = 31
# Columns of the network's answer while it trains: four turns, mirrored, inverted.
_TURNS, _MIRRORED, _INVERTED = slice(0, 4), 4, 5
_LOGITS = 6
# A quantile of fewer images is their maximum, which says nothing.
_LEAST_IMAGES = 50
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
    """A changed copy with a made fault: half are mirrored, some turned, some inverted."""
    # Turns are learned at once; which side is which needs most of the lessons.
    turns = int(rng.integers(4)) if rng.random() < 0.3 else 0
    mirrored, inverted = bool(rng.random() < 0.5), bool(rng.random() < 0.25)
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


def choose_thresholds(trained: keras.Model, choices: Pictures, own: OrientationSettings) -> Floats:
    """Log-odds above which a fault is believed, at a cost of ``own.refused`` in every source.

    Turned and inverted pictures are plain to see and get a tenth of the cost; nearly all of it is
    spent on mirrored ones, where the heart's side is the only sign.

    Parameters
    ----------
    trained : keras.Model
        As :func:`train_orientation` gives it.
    choices : Pictures
        Of the fold for choices; all of them count as proper.
    own : OrientationSettings
        Section ``[orientation]``.

    Returns
    -------
    numpy.ndarray
        float32, shape (faults,), not below 0 (even odds).
    """
    plain = above_thresholds(trained, np.zeros(len(FAULTS), np.float32))
    odds = answers(plain, choices.values.astype(np.float32) / np.float32(255))
    worst = np.stack([odds[:, :3].max(axis=1), odds[:, 3], odds[:, 4]], axis=1)
    shares = own.refused * np.array([0.1, 0.8, 0.1])
    sources = np.array([row.source for row in choices.rows])
    limits = [
        [np.quantile(worst[sources == one, kind], 1 - share) for kind, share in enumerate(shares)]
        for one in np.unique(sources)
        if (sources == one).sum() >= _LEAST_IMAGES
    ]
    turned, mirrored, inverted = np.maximum(np.max(limits, axis=0), 0)
    return np.array([turned, turned, turned, mirrored, inverted], np.float32)


def answers(served: keras.Model, pictures: Floats) -> Floats:
    """The network's answers: (images, side, side) -> (images, columns)."""
    return np.asarray(served.predict(pictures[..., None], batch_size=256, verbose=0))


def orientation_figures(
    served: keras.Model, judged: Pictures, times: int, seed: int
) -> dict[str, Any]:
    """What the thresholds cost and what they recognise, per source.

    Parameters
    ----------
    served : keras.Model
        As :func:`above_thresholds` gives it.
    judged : Pictures
        Of the held-out fold.
    times, seed : int
        Resamples of groups behind each interval, and their seed.

    Returns
    -------
    dict
        Source -> ``proper_refused``, and per fault the share that is refused; intervals.
    """
    figures: dict[str, Any] = {}
    for source in sorted({row.source for row in judged.rows}):
        part = judged.of(lambda row, source=source: row.source == source)  # type: ignore[misc]
        groups = np.array([row.group for row in part.rows], str)
        values = part.values.astype(np.float32) / np.float32(255)
        found = {"proper_refused": _refused(served, values)}
        for key, fault in MADE.items():
            found[key] = _refused(served, np.stack([faulty(one, *fault) for one in values]))
        figures[source] = {
            k: rate(hits, groups, times, seed).as_json() for k, hits in found.items()
        }
    return figures


def _refused(served: keras.Model, values: Floats) -> NDArray[np.bool_]:
    return np.asarray((answers(served, values) > 0).any(axis=1))


def tables(figures: dict[str, Any]) -> list[str]:
    """Markdown for the model card."""
    names = ("proper_refused", *(fault.key for fault in FAULTS))
    head = ("source", "proper, refused", *(fault.key.replace("_", " ") for fault in FAULTS), "n")
    lines = [head, tuple("---" for _ in head)]
    for source, found in figures.items():
        n = found["proper_refused"]
        cells = (f"{found[name]['value']:.3f}" for name in names)
        lines.append((source, *cells, f"{n['images']} / {n['groups']}"))
    return [
        "**Orientation** (held-out fold: share of proper images refused, and of images that were "
        "turned, mirrored or inverted for the test)",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
    ]
