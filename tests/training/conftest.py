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
    "test_article.py",
    "test_children.py",
    "test_extent.py",
    "test_figures.py",
    "test_gates.py",
    "test_heads.py",
    "test_heads_figures.py",
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
# As few as a run can have: one held out; of the others one is left out, and two choose within.
FOLDS = 4

CELLS = (
    ("ieee8023", "covid", "y"),
    ("armiro", "covid", "y"),
    ("figure1", "covid", "unknown"),
    ("figure1", "normal", "unknown"),
    ("nih", "normal", "y"),
    ("nih", "pneumonia_other", "y"),
    ("rsna_normal", "normal", "unknown"),
    ("ieee8023", "bacterial", "y"),
    ("kermany", "normal", "n"),
    ("kermany", "viral", "n"),
    ("kermany", "bacterial", "n"),
)
COLUMNS = (
    "path", "set", "label", "group", "fold", "adult", "article_overlap", "lung_mask", "rsna_class",
    "view", "geographic_extent", "opacity", "brixia_global",
)  # fmt: skip


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
        "view": ("PA", "AP")[one.number % 2],
        "rsna_class": _radiologists(one),
        **_scores(one),
    }


def _radiologists(one: Drawn) -> str:
    if one.source != "nih":
        return ""
    return "Normal" if one.label == "normal" else "Lung Opacity"


def _scores(one: Drawn) -> dict[str, str]:
    """Made-up scores of experts."""
    if (one.source, one.label) != ("ieee8023", "covid"):
        return {}
    extent = (3 * one.fold + 2 * one.number) % 9
    return {
        "geographic_extent": str(extent),
        "opacity": str(extent * 0.7),
        "brixia_global": str(2 * extent),
    }


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two drawn images a cell and fold, and two of an article."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = [
        draw(folder, Drawn(*cell, fold, number))
        for cell in CELLS
        for fold in range(FOLDS)
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
    for name in (*(path.name for path in MODEL_FOLDER.glob("*.py")), "MODEL_CARD.md"):
        shutil.copy(MODEL_FOLDER / name, copy / name)
    settings = (MODEL_FOLDER / "training.toml").read_text("utf-8")
    (copy / "training.toml").write_text(shortened(settings), "utf-8")
    return copy


def shortened(settings: str) -> str:
    """The settings with the values of SHORT; a name that is no longer there fails."""
    left, section, lines = dict(SHORT), "", []
    for line in settings.splitlines():
        if line.startswith("["):
            section = line[1 : line.index("]")]
        name = line.partition(" =")[0]
        if (section, name) in left:
            line = f"{name} = {left.pop((section, name))}"
        lines.append(line)
    assert not left, f"training.toml no longer has {sorted(left)}"
    return "\n".join(lines) + "\n"


SHORT = {
    ("folds", "held_out"): 3,
    ("folds", "choices"): 2,
    ("lung_finder", "epochs"): 12,
    ("lung_finder", "batch"): 4,
    ("lung_finder", "negatives"): 0.05,
    ("classifier", "epochs"): 2,
    ("classifier", "batch"): 8,
    ("classifier", "steps_per_epoch"): 3,
    ("classifier", "warm_up_steps"): 2,
    ("orientation", "epochs"): 1,
    ("orientation", "batch"): 16,
    ("novelty", "components"): 8,
    ("occlusion", "images"): 4,
    ("occlusion", "draws"): 2,
    ("children", "epochs"): 1,
    ("children", "batch"): 8,
    ("children", "warm_up_steps"): 1,
    ("heads", "automl_seconds"): 2,
    ("report", "bootstrap"): 50,
}
