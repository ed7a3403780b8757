"""What can be told without the lungs: the share of a figure that is no medicine.

The trained network is shown changed pictures, and frozen ImageNet features with a logistic
regression are fitted anew on them. What is still reached, it could have learned without a lung.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.models.chest_xray import prepare
from training.chest_xray.augmentation import framed
from training.chest_xray.calibration import log_odds
from training.chest_xray.classifier import features_of, new_classifier, predicted
from training.chest_xray.crops import Crops
from training.chest_xray.evaluation import Figures
from training.chest_xray.imagenet import State
from training.chest_xray.settings import Settings
from training.intervals import area_under_curve, rate

Change = Callable[[prepare.Crop, NDArray[np.uint8]], prepare.Crop]
Floats = NDArray[np.float32]
_BLANK = np.uint8(64)


def as_it_is(part: prepare.Crop, _lungs: NDArray[np.uint8]) -> prepare.Crop:
    """The picture itself, to compare with."""
    return part


def lungs_blanked(part: prepare.Crop, lungs: NDArray[np.uint8]) -> prepare.Crop:
    """Flat dark grey where the lung finder marked a lung; the frame (heart, edges) stays."""
    return prepare.Crop(np.where(lungs > 0, _BLANK, part.equalised), part.hull)


def outline_only(part: prepare.Crop, _lungs: NDArray[np.uint8]) -> prepare.Crop:
    """The hull filled with one grey."""
    return prepare.Crop(np.full_like(part.equalised, _BLANK), part.hull)


CHANGES: dict[str, Change] = {
    "as_it_is": as_it_is,
    "lungs_blanked": lungs_blanked,
    "outline_only": outline_only,
}


def changed(crops: Crops, change: Change) -> Floats:
    """The classifier's inputs after a change, (images, INPUT_SIDE, INPUT_SIDE, 1)."""
    parts = (change(crops.crop(i), crops.lungs[i]) for i in range(len(crops.rows)))
    return np.stack([prepare.compose(part) for part in parts])[..., None]


def foreign_frames(crops: Crops, seed: int) -> Floats:
    """Each picture's lungs in the frame of another picture with another label."""
    rng = np.random.default_rng([seed, 5])
    labels = np.array([row.label for row in crops.rows])
    inputs = []
    for i in range(len(crops.rows)):
        other = int(rng.choice(np.flatnonzero(labels != labels[i])))
        mixed = framed(crops.picture(i), crops.picture(other), rng)
        inputs.append(prepare.compose(prepare.Crop(mixed.equalised, mixed.hull)))
    return np.stack(inputs)[..., None]


@dataclass(frozen=True)
class Probed:
    """What the probes look at.

    Attributes
    ----------
    model : keras.Model
        The trained classifier.
    fitting, judging : Crops
        Adults that trained it, and adults of the held-out fold.
    """

    model: keras.Model
    fitting: Crops
    judging: Crops


def probe(probed: Probed, settings: Settings, imagenet: State | None) -> dict[str, Figures]:
    """Held-out adults under each change: the trained network, and frozen features fitted anew."""
    frozen = new_classifier(settings, imagenet)
    figures: dict[str, Figures] = {}
    for name, change in CHANGES.items():
        inputs = changed(probed.judging, change)
        refitted = _refitted(frozen, changed(probed.fitting, change), inputs, probed, settings)
        scores = log_odds(predicted(probed.model, inputs).astype(float), settings.target_index)
        figures[name] = {
            "frozen_features": _areas(refitted, probed.judging, settings),
            "trained_network": _areas(scores, probed.judging, settings),
        }
    swapped = foreign_frames(probed.judging, settings.seed)
    scores = log_odds(predicted(probed.model, swapped).astype(float), settings.target_index)
    figures["frame_of_another"] = {"trained_network": _areas(scores, probed.judging, settings)}
    figures["source_told"] = _source_told(probed, settings)
    return figures


def _refitted(
    frozen: keras.Model, fitting: Floats, judging: Floats, probed: Probed, settings: Settings
) -> NDArray[np.float64]:
    truth = np.array([row.label == settings.target for row in probed.fitting.rows])
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
    regression.fit(features_of(frozen, fitting), truth)
    return np.asarray(regression.decision_function(features_of(frozen, judging)))


def _areas(scores: NDArray[np.float64], crops: Crops, settings: Settings) -> Figures:
    """Only areas under the curve: a threshold means nothing on changed pictures."""
    truth = np.array([row.label == settings.target for row in crops.rows])
    groups = np.array([row.group for row in crops.rows])
    inside = np.array([row.source == "ieee8023" for row in crops.rows])
    times, seed = settings.report.bootstrap, settings.seed

    def area(part: NDArray[np.bool_]) -> Figures:
        return area_under_curve(truth[part], scores[part], groups[part], times, seed).as_json()

    return {"adults_auc": area(np.ones(len(truth), bool)), "ieee8023_auc": area(inside)}


def _source_told(probed: Probed, settings: Settings) -> Figures:
    """How well the trained features tell the source among pictures of one label.

    A logistic regression on them, fitted on the training adults; balanced accuracy on the held-out
    ones, beside what guessing gives. nih and rsna_normal are one source.
    """
    figures = {}
    for label in settings.classes:
        fit, judge = (
            crops.of(tuple(row for row in crops.rows if row.label == label))
            for crops in (probed.fitting, probed.judging)
        )
        names = sorted({_institution(r.source) for r in fit.rows})
        if len(names) < 2 or not judge.rows:
            continue
        regression = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.003, max_iter=500, class_weight="balanced")
        )
        regression.fit(
            features_of(probed.model, fit.composed()), [_institution(r.source) for r in fit.rows]
        )
        truth = np.array([_institution(row.source) for row in judge.rows])
        told = regression.predict(features_of(probed.model, judge.composed()))
        groups = np.array([row.group for row in judge.rows])
        share = rate(told == truth, groups, settings.report.bootstrap, settings.seed)
        figures[label] = {
            "balanced_accuracy": round(float(balanced_accuracy_score(truth, told)), 4),
            "guessing": round(1 / len(set(truth)), 4),
            "told": share.as_json(),
        }
    return figures


def _institution(source: str) -> str:
    return "nih" if source == "rsna_normal" else source
