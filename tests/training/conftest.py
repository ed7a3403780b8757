"""A tiny made-up data folder with the shape of the real one: drawn chests, masks, two tables."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.golden import phantom

# These import TensorFlow; `make test` runs them in .venv-train.
_NEED_TENSORFLOW = [
    "test_extent.py",
    "test_figures.py",
    "test_networks.py",
    "test_plots.py",
    "test_run.py",
]
collect_ignore = [] if find_spec("keras") else _NEED_TENSORFLOW


def pytest_report_header() -> str:
    left_out = "run" if find_spec("keras") else "left out: they need .venv-train"
    return f"training tests with TensorFlow: {left_out}"


REPOSITORY = Path(__file__).parents[2]
MODEL_FOLDER = REPOSITORY / "inference" / "models" / "chest_xray"
SIDE = 224

CELLS = (
    ("ieee8023", "covid", "y"),
    ("armiro", "covid", "y"),
    ("figure1", "covid", "unknown"),
    ("nih", "normal", "y"),
    ("nih", "pneumonia_other", "y"),
    ("rsna_normal", "normal", "unknown"),
    ("ieee8023", "bacterial", "y"),
    ("kermany", "normal", "n"),
    ("kermany", "viral", "n"),
)
COLUMNS = ("path", "set", "label", "group", "fold", "adult", "article_overlap", "lung_mask")


@dataclass(frozen=True)
class Drawn:
    """One drawn image and what its row of the table says."""

    source: str
    label: str
    adult: str
    fold: int
    number: int

    @property
    def stem(self) -> str:
        return f"{self.source}-{self.label}-{self.fold}-{self.number}"


def draw(data: Path, one: Drawn) -> dict[str, str]:
    """Write image and mask; return the row. Two images share each group."""
    whole = phantom(sum(map(ord, one.stem)))
    pixels = cv2.resize(whole.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if one.label == "covid":  # something that a network can learn in a few steps
        pixels = pixels + 0.25 * np.linspace(-1, 1, SIDE, dtype=np.float32)[:, None]
    picture = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for across in (0.31, 0.69):
        centre, axes = (int(across * SIDE), int(0.47 * SIDE)), (int(0.13 * SIDE), int(0.3 * SIDE))
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
    row = {"path": f"images/{one.stem}.png", "lung_mask": f"masks/{one.stem}.png"}
    cv2.imwrite(str(data / row["path"]), picture)
    cv2.imwrite(str(data / row["lung_mask"]), mask)
    return row | {
        "set": one.source,
        "label": one.label,
        "group": f"{one.source}-{one.label}-{one.fold}",
        "fold": str(one.fold),
        "adult": one.adult,
        "article_overlap": "n",
    }


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 90 drawn images in five folds, and four of an article."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = [
        draw(folder, Drawn(*cell, fold, number))
        for cell in CELLS
        for fold in range(5)
        for number in range(2)
    ]
    write_table(folder / "cxr.csv", rows)
    article = [draw(folder, Drawn("article", label, "y", 0, 0)) for label in ("covid", "normal")]
    for row in article:
        moved = f"article/test/{row['label']}.png"
        (folder / moved).parent.mkdir(parents=True, exist_ok=True)
        (folder / row["path"]).rename(folder / moved)
        row |= {"path": moved, "lung_mask": ""}
    write_table(folder / "article.csv", article)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights, whose settings make a run of a minute."""
    copy = tmp_path_factory.mktemp("models") / "tiny_xray"
    copy.mkdir()
    for name in ("__init__.py", "facts.py", "prepare.py", "MODEL_CARD.md"):
        shutil.copy(MODEL_FOLDER / name, copy / name)
    settings = (MODEL_FOLDER / "training.toml").read_text("utf-8")
    for old, new in SHORT.items():
        changed = settings.replace(old, new)
        assert changed != settings, f"training.toml no longer has {old!r}"
        settings = changed
    (copy / "training.toml").write_text(settings, "utf-8")
    return copy


SHORT = {
    "epochs = 36\n": "epochs = 8\n",
    "batch = 16\n": "batch = 4\n",
    "negatives = 0.12 ": "negatives = 0.05 ",
    "epochs = 14\nbatch = 32\nsteps_per_epoch = 55": "epochs = 2\nbatch = 8\nsteps_per_epoch = 3",
    "warm_up_steps = 60": "warm_up_steps = 2",
    "epochs = 10\n": "epochs = 1\n",
    "bootstrap = 1000": "bootstrap = 50",
}
