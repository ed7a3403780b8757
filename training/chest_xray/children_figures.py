"""How well the children's network tells bacterial from viral pneumonia."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.calibration import expected_error
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.intervals import area_under_curve, rate, resampled
from training.markdown import estimate, table

Figures = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What the network says of images of children with pneumonia.

    Attributes
    ----------
    rows : tuple of Row
        The images; ``finding`` is bacterial or viral.
    bacterial : numpy.ndarray
        float64, shape (images,): calibrated probability of bacterial, given pneumonia.
    """

    rows: tuple[Row, ...]
    bacterial: NDArray[np.float64]


def children_figures(
    answers: Mapping[str, Answers], training: tuple[Row, ...], source: str, settings: Settings
) -> Figures:
    """Every figure, as JSON.

    Parameters
    ----------
    answers : mapping
        ``"choices"`` and ``"held_out"``.
    training : tuple of Row
        What the network was trained on.
    source : str
        Where all images come from.
    settings : Settings
        ``seed`` and ``report`` are used.
    """
    counted = {name: sum(r.finding == name for r in training) for name in _findings(training)}
    parts = {name: _part(answer, settings) for name, answer in answers.items()}
    return {"source": source, "training_images": counted, **parts}


def _findings(rows: tuple[Row, ...]) -> list[str]:
    return sorted({row.finding for row in rows})


def _part(answers: Answers, settings: Settings) -> Figures:
    truth = np.array([row.finding == "bacterial" for row in answers.rows], bool)
    groups = np.array([row.group for row in answers.rows], str)
    share, times, seed = answers.bacterial, settings.report.bootstrap, settings.seed
    called = share >= 0.5

    def distance(chosen: NDArray[np.int64]) -> float:
        return expected_error(share[chosen], truth[chosen], np.ones(len(chosen)))

    found = {
        "auc": area_under_curve(truth, share, groups, times, seed),
        "right_class": rate(called == truth, groups, times, seed),
        "bacterial_called_bacterial": rate(called[truth], groups[truth], times, seed),
        "viral_called_viral": rate(~called[~truth], groups[~truth], times, seed),
        "calibration_error": resampled(distance, groups, times, seed),
    }
    return {name: interval.as_json() for name, interval in found.items()}


def tables(figures: Figures | None) -> list[str]:
    """Paragraphs and tables for the model card.

    Parameters
    ----------
    figures : dict or None
        As :func:`children_figures` gives it; None where there is no such network.
    """
    if figures is None:
        return ["**Children, bacterial against viral pneumonia**: no network was trained."]
    images = ", ".join(f"{n} {name}" for name, n in figures["training_images"].items())
    parts = {"choices": "fold for choices (sets the temperature)", "held_out": "held-out fold"}
    rows = [_row(words, figures[name]) for name, words in parts.items()]
    head = (
        "", "AUC", "right class", "bacterial called bacterial", "viral called viral",
        "calibration error",
    )  # fmt: skip
    return [
        "**Children, bacterial against viral pneumonia** (a network of its own, asked only about "
        f"children whom the model refuses; trained on {images} images of {figures['source']}). "
        "All images come from **one hospital**, and are of children of 1 to 5: it was never tested "
        "on images from anywhere else. It presumes that there is pneumonia. Its labels are noisy. "
        "It is not for withholding antibiotics.",
        table(head, rows),
    ]


def _row(words: str, found: Figures) -> tuple[str, ...]:
    keys = (
        "auc",
        "right_class",
        "bacterial_called_bacterial",
        "viral_called_viral",
        "calibration_error",
    )
    count = f"n {found['auc']['images']} / {found['auc']['groups']}"
    return f"{words}, {count}", *(estimate(found[key]) for key in keys)
