"""Fitting of both networks of the model: first the lungs, then what they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from inference.models.chest_xray import prepare
from inference.runtimes import open_network
from training.chest_xray.classifier import train_classifier
from training.chest_xray.crops import Crops, make_crops
from training.chest_xray.imagenet import State
from training.chest_xray.lung_finder import dice, load_masked, train_lung_finder
from training.chest_xray.settings import Settings
from training.chest_xray.splits import Split
from training.chest_xray.table import Row
from training.export import export_onnx


@dataclass(frozen=True)
class Fitted:
    """What fitting leaves.

    Attributes
    ----------
    lung_finder : pathlib.Path
        The exported lung finder, with which all lung boxes were made.
    lung_finder_sha256 : str
        Of that file.
    dice : dict
        Mean Dice coefficient per source on the held-out fold.
    crops : Crops
        Lung boxes of all images.
    classifier : keras.Model
        See ``network.classifier``.
    """

    lung_finder: Path
    lung_finder_sha256: str
    dice: dict[str, float]
    crops: Crops
    classifier: keras.Model


def fit_networks(
    split: Split, data: Path, settings: Settings, imagenet: State | None, work: Path
) -> Fitted:
    """Train the lung finder, cut out all lung boxes with it, fine-tune the classifier."""
    masked = load_masked(data, split.all)
    finder = train_lung_finder(masked, settings, work)
    held_out = masked.of(lambda row: row.fold == settings.folds.held_out)
    sources = sorted({row.source for row in held_out.rows})
    overlap = {s: round(dice(finder, held_out.of(_from(s))), 4) for s in sources}
    path = work / "lung_finder.onnx"
    shape = (2, prepare.FINDER_SIDE, prepare.FINDER_SIDE, 1)
    sha256 = export_onnx(finder, path, np.random.default_rng(0).random(shape, np.float32))
    # Lung boxes come from the exported network: training sees exactly what serving will see.
    served = open_network(path.read_bytes(), "onnx", settings.threads)
    key = f"{prepare.PREPARE_VERSION}-{sha256}"
    crops = make_crops(data, split.all, lambda array: served.run(array)[0], key, work)
    classifier = train_classifier(
        crops.of(split.training), settings, imagenet, work / "classifier.npz",
        settings.classifier.epochs,
    )  # fmt: skip
    return Fitted(path, sha256, overlap, crops, classifier)


def _from(source: str) -> Callable[[Row], bool]:
    return lambda row: row.source == source
