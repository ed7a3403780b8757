"""``predictions.csv``: what every network of a run said about images that did not train it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import TableError


@dataclass(frozen=True)
class Predicted:
    """Columns of ``predictions.csv``, one value an image.

    Attributes
    ----------
    part, path, source, label, group : numpy.ndarray
        Text. ``part``: "oof", "held_out", "left_out:<sources>", "beside:<sources>", "article".
    fold : numpy.ndarray
        int64; -1 for the article's images.
    child : numpy.ndarray
        bool; known to be a child.
    logit, probability : numpy.ndarray
        float64; calibrated log-odds and probability (0..1) of Covid-19.
    """

    part: NDArray[np.str_]
    path: NDArray[np.str_]
    source: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]
    fold: NDArray[np.int64]
    child: NDArray[np.bool_]
    logit: NDArray[np.float64]
    probability: NDArray[np.float64]

    def of(self, keep: NDArray[np.bool_]) -> Predicted:
        """The images of a mask."""
        columns = {name: values[keep] for name, values in vars(self).items()}
        return Predicted(**columns)

    def cells(self) -> NDArray[np.str_]:
        """Source and class of each image, such as "nih normal"."""
        joined = [f"{s} {c}" for s, c in zip(self.source, self.label, strict=True)]
        return np.array(joined, str)


_TEXTS = ("part", "path", "source", "label", "group")
_NUMBERS = ("logit", "probability")


def read_predictions(path: Path) -> Predicted:
    """Read ``predictions.csv``.

    Raises
    ------
    TableError
        A column is missing.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = {*_TEXTS, *_NUMBERS, "fold", "child"} - set(rows[0] if rows else ())
    if missing:
        raise TableError(f"{path.name} must have rows with {', '.join(sorted(missing))}")
    texts = {name: np.array([row[name] for row in rows], str) for name in _TEXTS}
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in _NUMBERS}
    child = np.array([row["child"] == "y" for row in rows], bool)
    fold = np.array([int(row["fold"]) for row in rows], np.int64)
    return Predicted(**texts, **numbers, fold=fold, child=child)
