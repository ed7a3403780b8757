"""What a run leaves in the model folder: weights, figures, predictions, golden answers."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import layers, ops
from scipy.special import logit

from inference.golden import phantom, record
from inference.model_folder import Prepared
from inference.models.chest_xray import network, prepare
from inference.registry import assemble
from training.chest_xray.card import update_card
from training.chest_xray.children import export_children
from training.chest_xray.evaluation import Figures, Predictions
from training.chest_xray.figures import INTERVAL_METHOD
from training.chest_xray.networks import export_classifier
from training.chest_xray.novelty import distance_layers
from training.chest_xray.plots import draw_plots
from training.chest_xray.predicted import read_predictions
from training.chest_xray.protocol import SERVED
from training.chest_xray.settings import Settings
from training.errors import ExportError
from training.record import libraries, write_json

if TYPE_CHECKING:
    from training.chest_xray.run import Results

WEIGHTS = "weights"
_PHANTOMS = range(1, 40)
_PATTERNS = (1, 2)
_KEPT_PHANTOMS = 3
# Saturated answers would hide a wrong prepare.
_MOST_CERTAIN = 0.97
_AGES_OF_CHILDREN = (1, 6)


@dataclass(frozen=True)
class Provenance:
    """What the run depended on."""

    settings: Settings
    data_sha256: str
    commit: str


def publish(folder: Path, results: Results, provenance: Provenance) -> None:
    """Write everything that serving and readers need into the model folder.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder; its ``facts.py`` reads ``trained.json``.
    results : Results
        What the run has fitted and measured.
    provenance : Provenance
        Settings, checksum of the data, commit.
    """
    settings = provenance.settings
    networks = _export_networks(folder, results, settings)
    write_json(folder / "figures.json", results.figures)
    write_json(folder / "trained.json", _trained(networks, results, provenance))
    _write_predictions(folder / "predictions.csv", results.report.parts(), settings)
    write_golden(folder)
    thresholds = dataclasses.asdict(results.thresholds)
    predictions = read_predictions(folder / "predictions.csv")
    draw_plots(results.figures, predictions, thresholds, settings, folder / "plots")
    update_card(folder)


def _export_networks(
    folder: Path, results: Results, settings: Settings
) -> dict[str, dict[str, str]]:
    weights = folder / WEIGHTS
    weights.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(results.boxes.finder, weights / "lung_finder.onnx")
    shutil.copyfile(results.orientation.path, weights / "orientation.onnx")
    scale = network.TargetScale(settings.target_index, **results.calibration.scale())
    extras = {
        "distance": distance_layers(results.novelty.distance),
        "extent": LinearScores(results.extent.weights, results.extent.bias, name="extent"),
    }
    served = network.served_classifier(results.answers[SERVED].model, scale, extras)
    found = {
        "lungs": ("lung_finder.onnx", results.boxes.sha256),
        "orientation": ("orientation.onnx", results.orientation.sha256),
        "classifier": ("classifier.onnx", export_classifier(served, weights / "classifier.onnx")),
    }
    if results.children is not None:
        path = weights / "children.onnx"
        found["children"] = ("children.onnx", export_children(results.children, path, settings))
    return {
        role: {"file": f"{WEIGHTS}/{file}", "sha256": sha256}
        for role, (file, sha256) in found.items()
    }


class LinearScores(layers.Layer):  # type: ignore[misc]
    """Scores as a linear function of pooled features; serving clips them to their scales."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self._weights_of = np.asarray(weights, np.float32)
        self._bias_of = np.asarray(bias, np.float32)

    def call(self, features: Any) -> Any:
        """(batch, features) -> (batch, scores)."""
        return ops.matmul(features, self._weights_of) + self._bias_of


def _trained(
    networks: dict[str, dict[str, str]], results: Results, provenance: Provenance
) -> dict[str, Any]:
    """Bound to the weights: what ``facts.py`` shows to clinicians and what made them."""
    calibration, settings = results.calibration, provenance.settings
    return {
        "networks": networks,
        "prepare_version": prepare.PREPARE_VERSION,
        "input_side": prepare.INPUT_SIDE,
        "scale": calibration.scale(),
        "operating_points": results.figures["operating_points"],
        "reference_prevalence": calibration.prevalence,
        "interval": {
            "method": INTERVAL_METHOD,
            "knots": calibration.knots.tolist(),
            "low": calibration.low.tolist(),
            "high": calibration.high.tolist(),
        },
        "novelty": results.novelty.as_trained(),
        "outside": {
            "caution": results.explained.caution,
            "refusal": results.explained.refusal,
        },
        "extent": results.extent.trained(),
        "children": results.children.trained() if results.children else None,
        "aside_ages": list(_AGES_OF_CHILDREN) if results.children else None,
        "unseen_sources": _unseen_sources(results.figures),
        "seed": settings.seed,
        "settings": dataclasses.asdict(settings),
        "data_sha256": provenance.data_sha256,
        "commit": provenance.commit,
        "libraries": libraries(),
    }


def _unseen_sources(figures: Figures) -> dict[str, Any]:
    """False alarms and finds on sources that the answering network never saw."""
    return {
        "-".join(part["left_out"]): {
            "sensitivity": part["adults"]["sensitivity"],
            "specificity": part["adults"]["specificity"],
        }
        for part in figures["left_out"]
    }


def _write_predictions(path: Path, parts: Mapping[str, Predictions], settings: Settings) -> None:
    columns = ["part", "path", "source", "label", "group", "fold", "child", "logit", "probability"]
    others = [name for name in settings.classes if name != settings.target]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *others])
        for name, part in parts.items():
            for row, chances in zip(part.rows, part.probabilities, strict=True):
                by_class = dict(zip(settings.classes, chances, strict=True))
                target = float(np.clip(by_class[settings.target], 1e-6, 1 - 1e-6))
                values = [target, *(by_class[other] for other in others)]
                writer.writerow(
                    [name, row.path, row.source, row.label, row.group, row.fold,
                     "y" if row.child else "n", f"{logit(target):.3f}",
                     *(f"{value:.4f}" for value in values)]
                )  # fmt: skip


def write_golden(folder: Path) -> None:
    """Record the answers of the exported networks on computed pictures.

    Phantoms go the whole way, lung finder included; patterns are shown to the classifier alone.

    Raises
    ------
    ExportError
        If no phantom is read, so that nothing would prove the whole way.
    """
    model = assemble(folder.name, search=(folder.parent,))
    seeds: list[int] = []
    for seed in _PHANTOMS:
        prepared = model.prepare(phantom(seed))
        if isinstance(prepared, Prepared) and len(seeds) < _KEPT_PHANTOMS:
            chances = model.classify(prepared).classes.values()
            if max(chances) < _MOST_CERTAIN:
                seeds.append(seed)
    if not seeds:
        raise ExportError("at least one phantom must be read with an open answer; none is")
    write_json(folder / "golden.json", record(model, seeds, _PATTERNS))
