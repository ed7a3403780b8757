"""Training of the lung finder on the images that have a lung mask."""

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
from keras import ops
from numpy.typing import NDArray

from inference.models.chest_xray import lung_box, network
from training.chest_xray.settings import LungFinderSettings, Settings
from training.chest_xray.table import Row, read_pixels
from training.fitting import Batch, Checkpoint, Schedule, fit

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MaskedPictures:
    """Pictures with lung masks, as the lung finder sees them.

    Attributes
    ----------
    pictures, masks : numpy.ndarray
        float32, shape (images, FINDER_SIDE, FINDER_SIDE), 0..1.
    rows : tuple of Row
        The table's row of each.
    """

    pictures: Floats
    masks: Floats
    rows: tuple[Row, ...]

    def of(self, wanted: Callable[[Row], bool]) -> MaskedPictures:
        """The part whose rows are wanted."""
        keep = np.array([wanted(row) for row in self.rows], bool)
        rows = tuple(row for row, kept in zip(self.rows, keep, strict=True) if kept)
        return MaskedPictures(self.pictures[keep], self.masks[keep], rows)


def load_masked(data: Path, rows: tuple[Row, ...]) -> MaskedPictures:
    """Read every image with a lung mask, trimmed and scaled exactly as in serving."""
    chosen = tuple(row for row in rows if row.lung_mask)
    pictures, masks = [], []
    for row in chosen:
        picture = lung_box.working_picture(read_pixels(data / row.path))
        drawn = read_pixels(data / row.lung_mask)
        mask = cv2.resize(drawn, picture.shape[::-1], interpolation=cv2.INTER_AREA)
        top, left, bottom, right = lung_box.trimmed(picture)
        pictures.append(lung_box.finder_input(picture[top:bottom, left:right])[0, :, :, 0])
        part = mask[top:bottom, left:right]
        size = (lung_box.FINDER_SIDE, lung_box.FINDER_SIDE)
        masks.append(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    return MaskedPictures(np.asarray(pictures), np.asarray(masks, np.float32), chosen)


def overlap_loss(masks: Any, marked: Any) -> Any:
    """Cross-entropy plus one minus the soft Dice coefficient of each picture."""
    axes = (1, 2, 3)
    both = ops.sum(masks * marked, axis=axes)
    total = ops.sum(masks, axis=axes) + ops.sum(marked, axis=axes)
    dice = (2 * both + 1) / (total + 1)
    cross = keras.losses.binary_crossentropy(masks, marked)
    return ops.mean(cross, axis=(1, 2)) + 1 - dice


def train_lung_finder(masked: MaskedPictures, settings: Settings, work: Path) -> keras.Model:
    """Train on the folds that are neither held out nor for choices.

    Parameters
    ----------
    masked : MaskedPictures
        All pictures with masks; the training folds are picked here.
    settings : Settings
        Section ``[lung_finder]`` is used.
    work : pathlib.Path
        Where the checkpoint lies.
    """
    own = settings.lung_finder
    keras.utils.set_random_seed(settings.seed)
    model = network.lung_finder(lung_box.FINDER_SIDE)
    model.compile(keras.optimizers.Adam(own.learning_rate), overlap_loss)
    kept = {settings.folds.held_out, settings.folds.choices}
    part = masked.of(lambda row: row.fold not in kept and not row.article_overlap)
    steps = -(-len(part.rows) // own.batch)
    schedule = Schedule(own.learning_rate, steps, steps * own.epochs)
    batches = partial(_epoch, part, own, settings.seed)
    checkpoint = Checkpoint(work / "lung_finder.npz")
    fit(model, batches, schedule, own.epochs, checkpoint, _say)
    return model


def _say(epoch: int, loss: float) -> None:
    log.info("lung finder: epoch %d, loss %.4f", epoch + 1, loss)


def _epoch(part: MaskedPictures, own: LungFinderSettings, seed: int, epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng([seed, 1, epoch])
    order = rng.permutation(len(part.rows))
    for start in range(0, len(order), own.batch):
        pairs = [_drawn(part, int(i), own, rng) for i in order[start : start + own.batch]]
        pictures, masks = (np.stack(side)[..., None] for side in zip(*pairs, strict=True))
        yield pictures.astype(np.float32), masks.astype(np.float32)


def _drawn(
    part: MaskedPictures, index: int, own: LungFinderSettings, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    if rng.random() < own.negatives:
        return no_lungs(rng), np.zeros((lung_box.FINDER_SIDE,) * 2, np.float32)
    return moved(part.pictures[index], part.masks[index], rng)


def moved(picture: Floats, mask: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Turn, zoom, shift, mirror, frame and re-expose a picture; its mask moves along."""
    side = lung_box.FINDER_SIDE
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 6), rng.uniform(0.7, 1.2))
    matrix = matrix + np.array([[0, 0, 1], [0, 0, 1]]) * rng.normal(0, 0.05 * side, (2, 1))
    if rng.random() < 0.5:
        picture, mask = picture[:, ::-1], mask[:, ::-1]
    edge = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    whole = np.ascontiguousarray(picture)
    turned = cv2.warpAffine(whole, matrix, (side, side), borderMode=edge, borderValue=0.0)
    marked = cv2.warpAffine(np.ascontiguousarray(mask), matrix, (side, side))
    return exposed(np.asarray(turned, np.float32), rng), np.asarray(marked, np.float32)


def exposed(picture: Floats, rng: np.random.Generator) -> Floats:
    """Change brightness, contrast and gamma; blur or add noise."""
    picture = np.clip(picture, 0, 1) ** float(np.exp(rng.normal(0, 0.3)))
    picture = (picture - 0.5) * rng.uniform(0.6, 1.3) + 0.5 + rng.normal(0, 0.08)
    if rng.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2)))
    noise = rng.normal(0, rng.uniform(0, 0.05), picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def no_lungs(rng: np.random.Generator) -> Floats:
    """Noise, a ramp or bright shapes on black: pictures in which nothing is a lung."""
    side = lung_box.FINDER_SIDE
    kind = rng.integers(3)
    if kind == 0:
        grain = int(rng.integers(2, side))
        noise = rng.random((grain, grain)).astype(np.float32)
        return np.clip(cv2.resize(noise, (side, side)), 0, 1).astype(np.float32)
    slope = rng.normal(0, 1, 2)
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    ramp = np.clip(rows * slope[0] + columns * slope[1] + 0.5, 0, 1).astype(np.float32)
    if kind == 1:
        return exposed(ramp, rng)
    return exposed(_bones(rng), rng)


def _bones(rng: np.random.Generator) -> Floats:
    """Bright bars and ovals on a dark ground, roughly as a limb looks."""
    side = lung_box.FINDER_SIDE
    picture = np.full((side, side), rng.uniform(0, 0.3), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        centre = tuple(int(v) for v in rng.integers(0, side, 2))
        axes = (int(rng.integers(3, 25)), int(rng.integers(10, 90)))
        grey = float(rng.uniform(0.3, 1))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, grey, -1)
    return picture


def dice(model: keras.Model, part: MaskedPictures) -> float:
    """Mean Dice coefficient at the threshold that serving uses (0.5)."""
    marked = np.asarray(model.predict(part.pictures[..., None], verbose=0))[..., 0] > 0.5
    truth = part.masks > 0.5
    both = (marked & truth).sum(axis=(1, 2))
    return float(np.mean(2 * both / (marked.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)))))
