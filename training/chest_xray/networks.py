"""The networks that look before the classifier does: lungs, orientation; and the lung boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from inference.models.chest_xray import lung_box, prepare
from inference.runtimes import open_network
from training.chest_xray.crops import Crops, make_crops
from training.chest_xray.lung_finder import dice, load_masked, train_lung_finder
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.export import export_onnx
from training.half_weights import halve_weights

# Largest difference that weights of half the size may make to an output.
_HALF_TOLERANCE = 0.1


@dataclass(frozen=True)
class LungBoxes:
    """The lung finder and what it found.

    Attributes
    ----------
    finder : pathlib.Path
        The exported lung finder.
    sha256 : str
        Of that file.
    dice : dict
        Mean Dice coefficient per source on the held-out fold.
    crops : Crops
        Lung boxes of all images.
    """

    finder: Path
    sha256: str
    dice: dict[str, float]
    crops: Crops


def find_lung_boxes(rows: tuple[Row, ...], data: Path, settings: Settings, work: Path) -> LungBoxes:
    """Train the lung finder and cut out all lung boxes with it."""
    masked = load_masked(data, rows)
    finder = train_lung_finder(masked, settings, work)
    held_out = masked.of(lambda row: row.fold == settings.folds.held_out)
    overlap = {
        source: round(dice(finder, held_out.of(lambda row, s=source: row.source == s)), 4)  # type: ignore[misc]
        for source in sorted({row.source for row in held_out.rows})
    }
    path = work / "lung_finder.onnx"
    sha256 = export_onnx(finder, path, _probe(lung_box.FINDER_SIDE))
    # Lung boxes come from the exported network: training sees exactly what serving will see.
    served = open_network(path.read_bytes(), "onnx", settings.threads)
    key = f"{prepare.PREPARE_VERSION}-{sha256}"
    crops = make_crops(data, rows, lambda array: served.run(array)[0], key, work)
    return LungBoxes(path, sha256, overlap, crops)


def _probe(side: int) -> np.ndarray:
    return np.random.default_rng(0).random((2, side, side, 1), np.float32)


def export_classifier(model: keras.Model, path: Path) -> str:
    """Write a network that sees lung boxes; SHA-256 of the file."""
    probe = _probe(prepare.INPUT_SIDE)
    export_onnx(model, path, probe)
    return halve_weights(path, probe, _HALF_TOLERANCE)
