"""What can be told without the lungs: the share of a figure that is no medicine.

Frozen ImageNet features and a logistic regression are fitted anew on pictures whose lungs are
blanked, and on the bare outline of the lungs. What they still reach, the trained network could
have learned without looking at a lung.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.models.chest_xray import network, prepare
from training.chest_xray.crops import Crops
from training.chest_xray.evaluation import Evaluator, Figures, Predictions
from training.chest_xray.imagenet import State, load_into
from training.chest_xray.operating_point import OperatingPoint, probabilities
from training.chest_xray.settings import Settings
from training.chest_xray.splits import Split

Change = Callable[[prepare.Crop, NDArray[np.uint8]], prepare.Crop]
Floats = NDArray[np.float32]
_BLANK = np.uint8(64)


def as_it_is(part: prepare.Crop, _lungs: NDArray[np.uint8]) -> prepare.Crop:
    """The picture itself, to compare with."""
    return part


def lungs_blanked(part: prepare.Crop, lungs: NDArray[np.uint8]) -> prepare.Crop:
    """Flat dark grey where the lung finder marked a lung; heart and edges stay."""
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


def probe(
    split: Split,
    crops: Crops,
    trained: keras.Model,
    point: OperatingPoint,
    settings: Settings,
    imagenet: State | None,
) -> dict[str, Figures]:
    """Held-out adults under each change: frozen features fitted anew, and the trained network."""
    adults = tuple(row for row in split.training if not row.child)
    judged = tuple(row for row in split.held_out if not row.child)
    fitting, judging = crops.of(adults), crops.of(judged)
    base = _frozen(imagenet)
    figures = {}
    for name, change in CHANGES.items():
        inputs = changed(judging, change)
        refitted = _refit(base, changed(fitting, change), inputs, fitting, settings)
        served = probabilities(trained.predict(inputs, verbose=0), point.temperature)
        figures[name] = {
            "frozen_features": _areas(refitted, judging, settings, point),
            "trained_network": _areas(served, judging, settings, point),
        }
    return figures


def _frozen(imagenet: State | None) -> keras.Model:
    base = network.backbone(prepare.INPUT_SIDE)
    if imagenet is not None:
        load_into(base, imagenet)
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, pooled)


def _refit(
    base: keras.Model, fitting: Floats, judging: Floats, crops: Crops, settings: Settings
) -> NDArray[np.float64]:
    labels = np.array([settings.classes.index(row.label) for row in crops.rows])
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
    regression.fit(base.predict(fitting, verbose=0), labels)
    found = np.zeros((len(judging), len(settings.classes)))
    classes = regression.classes_.astype(int)
    found[:, classes] = regression.predict_proba(base.predict(judging, verbose=0))
    return found


def _areas(
    found: NDArray[np.float64], crops: Crops, settings: Settings, point: OperatingPoint
) -> Figures:
    """Only areas under the curve: a threshold means nothing on changed pictures."""
    judge = Evaluator(settings, point.threshold)
    part = Predictions(crops.rows, found)
    inside = part.of(lambda row: row.source == "ieee8023")
    return {
        "adults_auc": judge.pooled(part)["auc"],
        "ieee8023_auc": judge.pooled(inside)["auc"],
    }
