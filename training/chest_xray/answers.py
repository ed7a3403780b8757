"""Every network of a run fitted, and what each said about the images that it may be judged on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from training.chest_xray.calibration import log_odds
from training.chest_xray.classifier import features_of, predicted, train_classifier
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import State
from training.chest_xray.protocol import SERVED, Fitting
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Logits:
    """Raw answers.

    Attributes
    ----------
    rows : tuple of Row
        The images.
    values : numpy.ndarray
        float32, shape (images, classes).
    """

    rows: tuple[Row, ...]
    values: Floats

    def of(self, wanted: Callable[[Row], bool]) -> Logits:
        """The part whose rows are wanted."""
        keep = np.array([wanted(row) for row in self.rows], bool)
        return Logits(tuple(row for row in self.rows if wanted(row)), self.values[keep])

    def scores(self, target: int) -> NDArray[np.float64]:
        """Log-odds of the target class, shape (images,)."""
        return log_odds(self.values.astype(np.float64), target)


@dataclass(frozen=True)
class Answers:
    """One fitted network and what it said.

    Attributes
    ----------
    fitting : Fitting
        Who trained and who is judged.
    model : keras.Model
        See ``network.classifier``.
    judged, beside : Logits
        On ``fitting.judged`` and ``fitting.beside``.
    """

    fitting: Fitting
    model: keras.Model
    judged: Logits
    beside: Logits


def fit_and_ask(
    plan: tuple[Fitting, ...],
    crops: Crops,
    settings: Settings,
    imagenet: State | None,
    work: Path,
) -> dict[str, Answers]:
    """Fit every network of the plan, or take it up again, and ask it; by the network's name."""
    found = {}
    for fitting in plan:
        log.info("network %s: %d images train", fitting.name, len(fitting.training))
        checkpoint = work / f"{fitting.name}.npz"
        model = train_classifier(crops.of(fitting.training), settings, imagenet, checkpoint)
        found[fitting.name] = Answers(
            fitting,
            model,
            _asked(model, crops.of(fitting.judged)),
            _asked(model, crops.of(fitting.beside)),
        )
    return found


def _asked(model: keras.Model, crops: Crops) -> Logits:
    classes = int(model.output_shape[-1])
    if not crops.rows:
        return Logits((), np.zeros((0, classes), np.float32))
    return Logits(crops.rows, predicted(model, crops.composed()))


def out_of_fold(answers: Mapping[str, Answers]) -> Logits:
    """Every image of the table, answered by the network that its fold did not train."""
    parts = [one.judged for one in answers.values() if not one.fitting.left_out]
    return _together(parts).of(lambda row: row.fold >= 0)


def unseen(answers: Mapping[str, Answers]) -> Logits:
    """Adults, each answered by a network that never saw its source."""
    parts = [one.judged for one in answers.values() if one.fitting.left_out]
    return _together(parts).of(lambda row: not row.child)


def _together(parts: list[Logits]) -> Logits:
    rows = tuple(row for part in parts for row in part.rows)
    return Logits(rows, np.concatenate([part.values for part in parts]))


def by_fold(answers: Mapping[str, Answers], held_out: int) -> dict[int, keras.Model]:
    """Fold -> the network that it did not train."""
    models = {held_out: answers[SERVED].model}
    for name, one in answers.items():
        if name.startswith("fold-"):
            models[int(name.removeprefix("fold-"))] = one.model
    return models


def features_by_fold(models: Mapping[int, keras.Model], crops: Crops) -> dict[int, Floats]:
    """Fold -> pooled features (images, features) of these images by that fold's network."""
    inputs = crops.composed()
    return {fold: features_of(model, inputs) for fold, model in models.items()}
