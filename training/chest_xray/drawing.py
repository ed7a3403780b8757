"""Balanced drawing: how often each source and class is shown, and what a row may teach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.augmentation import augmented
from training.chest_xray.crops import Crops
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import SettingsError
from training.fitting import Batch

# nih's labels were mined from reports (about a tenth wrong); its radiologists' classes count full.
_MINED, _SAME_SOURCE = 0.3, 0.3


def usable(row: Row, settings: Settings) -> bool:
    """Whether a row may train: a Covid-19 child may not (the model refuses children)."""
    if row.child:
        return row.label != settings.target and settings.mitigation.children != "none"
    return True


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
    cells = np.array([row.cell for row in rows])
    return shared_weights(cells, np.array([row.group for row in rows]), settings.draws)


def shared_weights(
    cells: NDArray[np.str_], groups: NDArray[np.str_], shares: Mapping[str, float]
) -> NDArray[np.float64]:
    """Weights that sum to 1: each cell by its share, its groups by the root of their images.

    A patient with sixteen images does not count sixteen times; the root keeps some of them.

    Parameters
    ----------
    cells, groups : numpy.ndarray
        Of each image; a cell is a source and class, such as "nih normal".
    shares : mapping
        Weight of every cell that occurs.
    """
    names, inverse = np.unique(cells, return_inverse=True)
    pairs = np.stack([inverse, np.unique(groups, return_inverse=True)[1]], axis=1)
    _, pair, images = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    raw = images[pair.ravel()] ** -0.5
    each = np.array([shares[str(name)] for name in names]) / np.bincount(inverse, raw)
    weights = raw * each[inverse]
    return np.asarray(weights / weights.sum())


def frame_weights(rows: tuple[Row, ...]) -> NDArray[np.float64]:
    """Chance of each row to lend its frame: the same for every source and class; children a third.

    So a frame says nothing about the label of the lungs that it surrounds.
    """
    cells = np.array([row.cell for row in rows])
    _, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    raw = 1.0 / counts[inverse]
    raw[[row.child for row in rows]] /= 3
    return np.asarray(raw / raw.sum())


def opacity_target(row: Row) -> tuple[float, float]:
    """Whether a lung is opaque, and how much that label counts (0: it is not known).

    Only sources that hold both are used, so that the source cannot answer. Inside nih the
    radiologists' class of the RSNA 2018 challenge goes before the mined label.
    """
    if row.radiologists:
        known = row.radiologists in ("Normal", "Lung Opacity")
        return float(row.radiologists == "Lung Opacity"), float(known)
    opaque = float(row.label != "normal")
    if row.source == "nih":
        return opaque, _MINED
    return opaque, _SAME_SOURCE if row.source in ("kermany", "ieee8023") else 0.0


def targets(
    rows: tuple[Row, ...], settings: Settings, sources: tuple[str, ...]
) -> NDArray[np.float32]:
    """What the loss needs of each row; see ``classifier.training_loss``.

    Returns
    -------
    numpy.ndarray
        float32, shape (rows, 2 * classes + 2 + sources): 1 for the class, or for each of those
        that it may be; 1 for each class that the row may speak about; opacity and its weight; the
        source, one-hot.
    """
    classes = len(settings.classes)
    wanted = np.zeros((len(rows), 2 * classes + 2 + len(sources)), np.float32)
    wanted[:, classes : 2 * classes] = 1
    for number, row in enumerate(rows):
        wanted[number, settings.classes.index(row.label)] = 1
        if row.child and settings.mitigation.children == "apart":
            wanted[number, classes + settings.target_index] = 0
        if row.child and settings.mitigation.children == "clear" and row.label != "normal":
            wanted[number, settings.target_index] = 1
        wanted[number, 2 * classes : 2 * classes + 2] = opacity_target(row)
        wanted[number, 2 * classes + 2 + sources.index(row.source)] = 1
    return wanted


def drawn_epoch(
    crops: Crops, settings: Settings, sources: tuple[str, ...], epoch: int
) -> Iterator[Batch]:
    """The batches of one epoch; the same seed and epoch give the same batches."""
    own = settings.classifier
    # Epochs before the first one (the head alone) count below zero.
    rng = np.random.default_rng([settings.seed, 2, epoch % 2**32])
    weights, frames = draw_weights(crops.rows, settings), frame_weights(crops.rows)
    wanted = targets(crops.rows, settings, sources)
    for _ in range(own.steps_per_epoch):
        chosen = rng.choice(len(weights), own.batch, p=weights)
        lent = rng.choice(len(frames), own.batch, p=frames)
        pictures = [
            augmented(crops.picture(int(i)), crops.picture(int(j)), rng, settings.mitigation)
            for i, j in zip(chosen, lent, strict=True)
        ]
        yield np.stack(pictures)[..., None], wanted[chosen]
