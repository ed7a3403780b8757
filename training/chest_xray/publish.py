"""What a run leaves in the model folder: weights, figures, predictions, golden answers."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.golden import phantom, record
from inference.model_folder import Prepared
from inference.models.chest_xray import network, prepare
from inference.registry import assemble
from training.chest_xray.card import update_card
from training.chest_xray.evaluation import Figures, Predictions
from training.chest_xray.networks import Fitted
from training.chest_xray.operating_point import OperatingPoint
from training.chest_xray.settings import Settings
from training.errors import ExportError
from training.export import export_onnx
from training.record import libraries, write_json

WEIGHTS = "weights"
_PHANTOMS = range(1, 40)
_PATTERNS = (1, 2)
_KEPT_PHANTOMS = 3
# Saturated answers would hide a wrong prepare.
_MOST_CERTAIN = 0.97


@dataclass(frozen=True)
class Run:
    """What the run depended on."""

    settings: Settings
    data_sha256: str
    commit: str


def publish(
    folder: Path,
    fitted: Fitted,
    point: OperatingPoint,
    figures: Figures,
    parts: Mapping[str, Predictions],
    run: Run,
) -> None:
    """Write everything that serving and readers need into the model folder.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder; its ``facts.py`` reads ``trained.json``.
    fitted, point, figures : Fitted, OperatingPoint, dict
        Results of the run.
    parts : mapping
        Name of a part of the split -> its predictions.
    run : Run
        Settings, checksum of the data, commit.
    """
    networks = _export_networks(folder, fitted, point, run.settings)
    write_json(folder / "figures.json", figures)
    trained = _trained(networks, point, figures, run)
    write_json(folder / "trained.json", trained)
    update_card(folder / "MODEL_CARD.md", figures, trained)
    _write_predictions(folder / "predictions.csv", parts, run.settings)
    write_golden(folder)


def _export_networks(
    folder: Path, fitted: Fitted, point: OperatingPoint, settings: Settings
) -> dict[str, dict[str, str]]:
    weights = folder / WEIGHTS
    weights.mkdir(parents=True, exist_ok=True)
    finder = weights / "lung_finder.onnx"
    finder.write_bytes(fitted.lung_finder.read_bytes())
    served = network.served_classifier(fitted.classifier, settings.target_index, point.temperature)
    shape = (2, prepare.INPUT_SIDE, prepare.INPUT_SIDE, 1)
    probe = np.random.default_rng(settings.seed).random(shape, np.float32)
    sha256 = export_onnx(served, weights / "classifier.onnx", probe)
    return {
        "lungs": {"file": f"{WEIGHTS}/lung_finder.onnx", "sha256": fitted.lung_finder_sha256},
        "classifier": {"file": f"{WEIGHTS}/classifier.onnx", "sha256": sha256},
    }


def _trained(
    networks: dict[str, dict[str, str]], point: OperatingPoint, figures: Figures, run: Run
) -> dict[str, Any]:
    """Bound to the weights: what ``facts.py`` shows to clinicians and what made them."""
    adults = figures["held_out"]["adults"]
    unseen = {
        "-".join(part["left_out"]): {
            "sensitivity": part["adults"]["sensitivity"],
            "specificity": part["adults"]["specificity"],
        }
        for part in figures["left_out"]
    }
    return {
        "networks": networks,
        "prepare_version": prepare.PREPARE_VERSION,
        "operating_point": dataclasses.asdict(point),
        "sensitivity": adults["sensitivity"],
        "specificity": adults["specificity"],
        "unseen_sources": unseen,
        "seed": run.settings.seed,
        "settings": dataclasses.asdict(run.settings),
        "data_sha256": run.data_sha256,
        "commit": run.commit,
        "libraries": libraries(),
    }


def _write_predictions(path: Path, parts: Mapping[str, Predictions], settings: Settings) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["part", "path", "source", "label", "group", *settings.classes])
        for name, part in parts.items():
            for row, chances in zip(part.rows, part.probabilities, strict=True):
                rounded = [f"{chance:.4f}" for chance in chances]
                writer.writerow([name, row.path, row.source, row.label, row.group, *rounded])


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
