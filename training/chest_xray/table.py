"""The data table: one row an image, with its source, class, group and fold."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import TableError

TABLE = "cxr.csv"
# The table tells bacterial from viral pneumonia; the model does not.
_CLASSES = {
    "covid": "covid",
    "normal": "normal",
    "bacterial": "pneumonia_other",
    "viral": "pneumonia_other",
    "pneumonia_other": "pneumonia_other",
}


@dataclass(frozen=True)
class Row:
    """One image of the table.

    Attributes
    ----------
    path : str
        Relative to the data folder.
    source : str
        The public set that it comes from.
    label : str
        covid, normal or pneumonia_other.
    group : str
        Images of one patient, duplicates and copies share it; a group is never cut.
    fold : int
        Given by the table; -1 where the table has none.
    child : bool
        Known to be a child.
    article_overlap : bool
        The group also occurs in the article's own set.
    lung_mask : str
        Path of a lung mask, or empty.
    radiologists : str
        Class given by the radiologists of the RSNA 2018 challenge, or empty.
    finding : str
        The table's own label: covid, normal, bacterial, viral or pneumonia_other.
    view : str
        As the table says it, such as PA, AP or AP Supine; empty where unknown.
    geographic_extent, opacity, brixia : float or None
        Radiographic extent (0-8), opacity (0-6) and Brixia score (0-18), where experts gave one.
    """

    path: str
    source: str
    label: str
    group: str
    fold: int
    child: bool
    article_overlap: bool
    lung_mask: str
    radiologists: str
    finding: str = ""
    view: str = ""
    geographic_extent: float | None = None
    opacity: float | None = None
    brixia: float | None = None

    @property
    def cell(self) -> str:
        """Source and class, the unit of balanced drawing."""
        return f"{self.source} {self.label}"


def load_table(data: Path, name: str = TABLE) -> tuple[Row, ...]:
    """Read a table of the data folder.

    Raises
    ------
    TableError
        If the table, a column, a known label or a group's single fold is missing.
    """
    path = data / name
    if not path.is_file():
        raise TableError(f"the data folder must hold {name}; it does not")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = tuple(_row(record) for record in csv.DictReader(file))
        except KeyError as error:
            raise TableError(f"{name} must have the column or label {error}") from error
    _check_groups(rows)
    return rows


def _row(record: dict[str, str]) -> Row:
    article = record["set"] == "article"
    return Row(
        path=record["path"],
        source=record["set"],
        label=_CLASSES[record["label"]],
        group=record["group"],
        fold=-1 if article else int(record["fold"]),
        child=record["adult"] == "n",
        article_overlap=not article and record["article_overlap"] == "y",
        lung_mask=record.get("lung_mask", ""),
        radiologists=record.get("rsna_class", ""),
        finding=record["label"],
        view=record.get("view", ""),
        geographic_extent=_number(record.get("geographic_extent")),
        opacity=_number(record.get("opacity")),
        brixia=_number(record.get("brixia_global")),
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _check_groups(rows: tuple[Row, ...]) -> None:
    folds: dict[str, int] = {}
    for row in rows:
        if folds.setdefault(row.group, row.fold) != row.fold:
            raise TableError(f"a group must lie in one fold; {row.group} lies in two")


def checksum(data: Path, rows: tuple[Row, ...], name: str = TABLE) -> str:
    """SHA-256 over the table and the bytes of every image and mask that it names."""
    total = hashlib.sha256((data / name).read_bytes())
    for row in rows:
        for path in filter(None, (row.path, row.lung_mask)):
            total.update(hashlib.sha256((data / path).read_bytes()).digest())
    return total.hexdigest()


def read_pixels(path: Path) -> NDArray[np.float32]:
    """One grey image as float32, shape (rows, columns), 0..1."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise TableError(f"{path.name} must be a readable image")
    return picture.astype(np.float32) / np.float32(255)
