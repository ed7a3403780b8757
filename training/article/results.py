"""What a repetition leaves behind: figures, history, predictions, plot."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.article.fitting import Epoch
from training.article.judging import Figures, Judged
from training.article.plot import save_curves
from training.article.provenance import Record
from training.article.settings import CLASSES
from training.record import write_json


@dataclass(frozen=True)
class Outcome:
    """One repetition: its figures, epochs, predictions per set of images, and inputs."""

    figures: Figures
    history: tuple[Epoch, ...]
    judged: Mapping[str, Judged]
    record: Record


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write figures, inputs (``run.json``), history, predictions and plot."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "figures.json", outcome.figures)
    write_json(folder / "run.json", outcome.record)
    _write_table(folder / "history.csv", (asdict(epoch) for epoch in outcome.history))
    _write_table(folder / "predictions.csv", _predictions(outcome.judged))
    save_curves(outcome.history, folder / "curves.svg")


def _predictions(judged: Mapping[str, Judged]) -> Iterable[dict[str, Any]]:
    for name, part in judged.items():
        for row, found, answer in zip(part.rows, part.probabilities, part.answers, strict=True):
            shares = {c: f"{p:.4f}" for c, p in zip(CLASSES, found, strict=True)}
            yield {
                "part": name,
                "path": row.path,
                "group": row.group,
                "label": row.finding,
                "answer": CLASSES[answer],
                **shares,
            }


def _write_table(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    entries = list(entries)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(entries[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()}
            for entry in entries
        )
