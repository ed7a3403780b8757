"""docs/data.md is held to what training reads: columns, sources, labels, and its own recipe."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest

from tests.training.conftest import MODEL_FOLDER, REPOSITORY
from training.chest_xray.table import load_table
from training.errors import TableError

MANUAL = (REPOSITORY / "docs" / "data.md").read_text("utf-8")
ROW = {
    "path": "a.jpg", "set": "nih", "label": "normal", "group": "g", "fold": "0", "adult": "y",
    "article_overlap": "n",
}  # fmt: skip


def columns(needed: str) -> set[str]:
    """Columns that the manual calls needed ("yes") or not ("no")."""
    part = MANUAL.split("### Columns of `cxr.csv`")[1].split("\n### ")[0]
    rows = re.findall(rf"^\| (.+?) \| {needed} \|", part, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def written(folder: Path, row: dict[str, str]) -> Path:
    with (folder / "cxr.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    return folder


def test_a_table_with_the_needed_columns_alone_is_read(tmp_path: Path) -> None:
    assert columns("yes") == set(ROW)
    assert load_table(written(tmp_path, ROW))[0].source == "nih"


@pytest.mark.parametrize("column", sorted(ROW))
def test_without_a_needed_column_the_table_is_refused_by_its_name(
    column: str, tmp_path: Path
) -> None:
    short = {name: value for name, value in ROW.items() if name != column}
    with pytest.raises(TableError, match=column):
        load_table(written(tmp_path, short))


def test_the_other_columns_are_read_too(tmp_path: Path) -> None:
    extra = {
        "lung_mask": "m.png", "view": "PA", "rsna_class": "Normal", "geographic_extent": "3.5",
        "opacity": "2", "brixia_global": "7",
    }  # fmt: skip
    assert columns("no") == set(extra)
    row = load_table(written(tmp_path, ROW | extra))[0]
    assert (row.lung_mask, row.view, row.radiologists) == ("m.png", "PA", "Normal")
    assert (row.geographic_extent, row.opacity, row.brixia) == (3.5, 2.0, 7.0)


def test_every_label_of_the_manual_is_known(tmp_path: Path) -> None:
    line = next(line for line in MANUAL.splitlines() if line.startswith("| `label` |"))
    labels = re.findall(r"`(\w+)`", line)[1:]
    assert "covid" in labels
    for label in labels:
        assert load_table(written(tmp_path, ROW | {"label": label}))[0].finding == label


def test_every_source_that_trains_is_described() -> None:
    settings = tomllib.loads((MODEL_FOLDER / "training.toml").read_text("utf-8"))
    sources = {cell.split()[0] for cell in settings["draws"]}
    described = set(re.findall(r"^\| `(\w+)` \| .*https?://", MANUAL, re.MULTILINE))
    assert sources <= described
