"""Balanced drawing: how often each source and class is shown, and what a child may teach."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.augmentation import augmented
from training.chest_xray.crops import Crops
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import SettingsError
from training.fitting import Batch


def usable(row: Row, settings: Settings) -> bool:
    """Whether a row may train: a Covid-19 child may not (the model refuses children)."""
    return not (row.child and row.label == settings.target)


def draw_weights(rows: tuple[Row, ...], settings: Settings) -> NDArray[np.float64]:
    """Chance of each row to be drawn: its cell's share, equal within the cell by group.

    Cells without rows give their share to the others.

    Raises
    ------
    SettingsError
        If a cell of the data has no share in ``[draws]``.
    """
    if unknown := sorted({row.cell for row in rows} - settings.draws.keys()):
        raise SettingsError(f"[draws] must name every source and class; missing: {unknown}")
    groups: dict[tuple[str, str], int] = {}
    for row in rows:
        groups[row.cell, row.group] = groups.get((row.cell, row.group), 0) + 1
    # A patient with sixteen images does not count sixteen times; the root keeps some of them.
    raw = np.array([groups[row.cell, row.group] ** -0.5 for row in rows])
    cells = np.array([row.cell for row in rows])
    for cell in np.unique(cells):
        raw[cells == cell] *= settings.draws[str(cell)] / raw[cells == cell].sum()
    return np.asarray(raw / raw.sum())


def targets(rows: tuple[Row, ...], settings: Settings) -> NDArray[np.float32]:
    """What the loss needs of each row.

    Returns
    -------
    numpy.ndarray
        float32, shape (rows, 2 * classes): the class, one-hot and smoothed; then 1 for each class
        that the row may speak about. Children say nothing about Covid-19.
    """
    classes = len(settings.classes)
    wanted = np.zeros((len(rows), 2 * classes), np.float32)
    wanted[:, classes:] = 1
    for number, row in enumerate(rows):
        if row.child:
            wanted[number, classes + settings.target_index] = 0
        allowed = wanted[number, classes:]
        smooth = settings.classifier.label_smoothing
        wanted[number, :classes] = smooth * allowed / allowed.sum()
        wanted[number, settings.classes.index(row.label)] += 1 - smooth
    return wanted


def drawn_epoch(crops: Crops, settings: Settings, epoch: int) -> Iterator[Batch]:
    """The batches of one epoch; the same seed and epoch give the same batches."""
    own = settings.classifier
    rng = np.random.default_rng([settings.seed, 2, epoch])
    weights = draw_weights(crops.rows, settings)
    wanted = targets(crops.rows, settings)
    for _ in range(own.steps_per_epoch):
        chosen = rng.choice(len(weights), own.batch, p=weights)
        pictures = np.stack([augmented(crops.crop(int(i)), rng) for i in chosen])
        yield pictures[..., None], wanted[chosen]
