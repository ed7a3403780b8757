"""Every image as the lung box that serving would see, kept outside the repository."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import lung_box, prepare
from training.chest_xray.augmentation import Picture
from training.chest_xray.table import Row, read_pixels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Crops:
    """Lung boxes of many images.

    Attributes
    ----------
    equalised, hull : numpy.ndarray
        uint8, shape (images, INPUT_SIDE, INPUT_SIDE); see ``prepare.Crop``.
    lungs : numpy.ndarray
        uint8, same shape, 1 where the lung finder marked a lung; only for the blanking probe.
    rows : tuple of Row
        The table's row of each.
    refused : tuple of Row
        Images in which no plausible lungs were found.
    """

    equalised: NDArray[np.uint8]
    hull: NDArray[np.uint8]
    lungs: NDArray[np.uint8]
    rows: tuple[Row, ...]
    refused: tuple[Row, ...]

    def crop(self, index: int) -> prepare.Crop:
        """One image's lung box."""
        return prepare.Crop(self.equalised[index], self.hull[index])

    def picture(self, index: int) -> Picture:
        """One image's lung box with its lungs, for augmentation."""
        return Picture(self.equalised[index], self.hull[index], self.lungs[index])

    def of(self, rows: tuple[Row, ...]) -> Crops:
        """The part that belongs to these rows, in this object's order."""
        wanted = {row.path for row in rows}
        keep = np.array([row.path in wanted for row in self.rows], bool)
        kept = tuple(row for row in self.rows if row.path in wanted)
        refused = tuple(row for row in self.refused if row.path in wanted)
        return Crops(self.equalised[keep], self.hull[keep], self.lungs[keep], kept, refused)

    def composed(self) -> NDArray[np.float32]:
        """The classifier's inputs, (images, INPUT_SIDE, INPUT_SIDE, 1), 0..1."""
        return np.stack([prepare.compose(self.crop(i)) for i in range(len(self.rows))])[..., None]


def make_crops(
    data: Path, rows: tuple[Row, ...], finder: lung_box.Finder, key: str, work: Path
) -> Crops:
    """Find the lungs of every image, or read the result of an earlier, equal call.

    Parameters
    ----------
    data : pathlib.Path
        The data folder.
    rows : tuple of Row
        Which images.
    finder : callable
        The trained lung finder, see ``lung_box.find_lungs``.
    key : str
        Names everything that the result depends on; another key computes anew.
    work : pathlib.Path
        Folder outside the repository.
    """
    path = work / f"crops-{key[:16]}.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        found, *arrays = _compute(data, rows, finder)
        np.savez(path, found=found, equalised=arrays[0], hull=arrays[1], lungs=arrays[2])
    with np.load(path, allow_pickle=False) as stored:
        found = stored["found"]
        kept = tuple(row for row, f in zip(rows, found, strict=True) if f)
        refused = tuple(row for row, f in zip(rows, found, strict=True) if not f)
        return Crops(stored["equalised"], stored["hull"], stored["lungs"], kept, refused)


def _compute(
    data: Path, rows: tuple[Row, ...], finder: lung_box.Finder
) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    found = np.zeros(len(rows), bool)
    parts: list[tuple[NDArray[np.uint8], ...]] = []
    for number, row in enumerate(rows):
        picture = lung_box.working_picture(read_pixels(data / row.path))
        try:
            lungs = lung_box.find_lungs(picture, finder)
            part = prepare.crop(picture, lungs)
            parts.append((part.equalised, part.hull, prepare.lungs_in_box(lungs, picture.shape)))
            found[number] = True
        except lung_box.NoLungs as reason:
            log.info("%s refused: %s", row.path, reason.code)
        if number % 1000 == 999:
            log.info("lung boxes: %d of %d", number + 1, len(rows))
    shape = (-1, prepare.INPUT_SIDE, prepare.INPUT_SIDE)
    arrays = [np.array([p[i] for p in parts], np.uint8).reshape(shape) for i in range(3)]
    return found, arrays[0], arrays[1], arrays[2]
