"""The article's images, its split, and the healthy people that it never looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training.article.settings import CLASSES, Settings
from training.chest_xray.table import Row, load_table
from training.errors import TableError

TABLE = "article.csv"
Rows = tuple[Row, ...]


@dataclass(frozen=True)
class Sets:
    """The article's images of the three classes.

    Attributes
    ----------
    training, validation : tuple of Row
        Its training folder, split 80 to 20.
    unseen : tuple of Row
        Its test folder.
    """

    training: Rows
    validation: Rows
    unseen: Rows

    @property
    def leaking(self) -> Rows:
        """Unseen images of patients who are in the training folder as well."""
        seen = groups_of(self.training) | groups_of(self.validation)
        return tuple(row for row in self.unseen if row.group in seen)

    @property
    def validation_leaking(self) -> Rows:
        """Validation images of patients who train as well: the split is by image."""
        seen = groups_of(self.training)
        return tuple(row for row in self.validation if row.group in seen)


def groups_of(rows: Rows) -> set[str]:
    """Patients, and copies of one image, as far as they are known."""
    return {row.group for row in rows}


def article_sets(data: Path, settings: Settings, *, without_leak: bool) -> Sets:
    """Split the article's table as the article did.

    Parameters
    ----------
    data : pathlib.Path
        Holds ``article.csv``, whose paths begin with ``article/train/`` or ``article/test/``.
    settings : Settings
        The seed and share of the split.
    without_leak : bool
        Leave out training images whose group is in the test folder. The split is made first, so
        that all other images stay where they are.

    Raises
    ------
    TableError
        If a folder lacks one of the classes, or an image belongs to neither folder.
    """
    rows = tuple(row for row in load_table(data, TABLE) if row.finding in CLASSES)
    folders = {name: _folder(rows, name) for name in ("train", "test")}
    if sum(map(len, folders.values())) != len(rows):
        raise TableError(f"paths of {TABLE} must begin with article/train/ or article/test/")
    training, validation = train_test_split(
        folders["train"],
        test_size=settings.held_out,
        random_state=settings.split_seed,
        stratify=[row.finding for row in folders["train"]],
    )
    unseen = folders["test"]
    if without_leak:
        training, validation = (
            _without(part, groups_of(unseen)) for part in (training, validation)
        )
    return Sets(tuple(training), tuple(validation), unseen)


def _folder(rows: Rows, name: str) -> Rows:
    found = tuple(row for row in rows if row.path.startswith(f"article/{name}/"))
    missing = set(CLASSES) - {row.finding for row in found}
    if missing:
        raise TableError(f"article/{name} must hold every class; it lacks {sorted(missing)}")
    return found


def _without(rows: list[Row], groups: set[str]) -> list[Row]:
    return [row for row in rows if row.group not in groups]


def people(sets: Sets) -> dict[str, dict[str, int]]:
    """Images, groups and images of known children in each class of the article."""
    found = {}
    for name in CLASSES:
        rows = tuple(
            row
            for part in (sets.training, sets.validation, sets.unseen)
            for row in part
            if row.finding == name
        )
        children = sum(row.child for row in rows)
        found[name] = {"images": len(rows), "groups": len(groups_of(rows)), "children": children}
    return found


def healthy_adults(data: Path) -> Rows:
    """Normal X-rays of adults, from sources that the article did not use.

    Folds 0 to 3 of the ``nih`` and ``rsna_normal`` sets: the last fold is kept for the served
    model. Images that the radiologists of the RSNA challenge did not call normal are left out.
    ``rsna_normal`` has lost its ages: most of it, not all, is of adults.
    """
    return tuple(
        row
        for row in load_table(data)
        if row.source in ("nih", "rsna_normal")
        and row.finding == "normal"
        and not row.child
        and row.radiologists in ("", "Normal")
        and row.fold < 4
    )


def healthy_children(data: Path) -> Rows:
    """Normal X-rays of children from the article's own source, of patients whom it did not use."""
    return tuple(
        row
        for row in load_table(data)
        if row.source == "kermany"
        and row.finding == "normal"
        and not row.article_overlap
        and row.fold < 4
    )


def read_pictures(data: Path, rows: Rows, side: int) -> NDArray[np.uint8]:
    """Grey images stretched to a square, as the article did: shape (images, side, side)."""
    pictures = np.empty((len(rows), side, side), np.uint8)
    for i, row in enumerate(rows):
        picture = cv2.imread(str(data / row.path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise TableError(f"every image of the table must be readable; {row.path} is not")
        pictures[i] = cv2.resize(picture, (side, side))
    return pictures


def truth(rows: Rows) -> NDArray[np.int64]:
    """Number of each image's class in ``CLASSES``."""
    return np.array([CLASSES.index(row.finding) for row in rows], np.int64)
