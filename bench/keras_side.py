"""The baseline: the same preparation and the same two networks, run by Keras `model.predict`.

Runs in `.venv-train`. The networks are the architectures that were exported; their weights are
fresh, which changes no time, so the lung mask that decides the crop is handed over by the caller.

    python -m bench.keras_side make FOLDER           build and save the networks
    python -m bench.keras_side read ARRAY RUNS       as bench.onnx_side
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

from bench.onnx_side import MODEL, image_of
from inference.model import interpret_outputs
from inference.model_folder import Prepared
from inference.models.chest_xray import network, prepare
from inference.registry import model_facts


class Finder:
    """The lung finder: pays for Keras' prediction, answers with the mask that was handed over."""

    def __init__(self, model: Any, mask: np.ndarray) -> None:
        self._model, self._mask = model, mask

    def run(self, array: np.ndarray) -> tuple[np.ndarray, ...]:
        """Predict and give the mask, float32 (1, side, side, 1)."""
        self._model.predict(array, verbose=0)
        return (self._mask,)


def make(folder: Path) -> None:
    """Save both networks."""
    facts = model_facts(MODEL)
    side, classes = facts.input_shape[0], len(facts.classes)
    served = network.served_classifier(network.classifier(side, classes, 0.3), 0, 1.0)
    served.save(folder / "classifier.keras")
    network.lung_finder(prepare.FINDER_SIDE).save(folder / "lung_finder.keras")


def read(array: Path, runs: int) -> None:
    """Read the array `runs` times."""
    import keras

    image, facts = image_of(np.load(array)), model_facts(MODEL)
    finder = keras.models.load_model(array.parent / "lung_finder.keras")
    classifier = keras.models.load_model(array.parent / "classifier.keras")
    lungs = Finder(finder, np.load(array.parent / "mask.npy"))

    def answer() -> float:
        prepared = prepare.prepare(image, {"lungs": lungs})
        assert isinstance(prepared, Prepared)
        started = time.perf_counter()
        outputs = classifier.predict(prepared.array, verbose=0)
        spent = (time.perf_counter() - started) * 1000
        interpret_outputs(facts, tuple(outputs))
        return spent

    answer()
    print("ready", flush=True)
    whole, alone = [], []
    for _ in range(runs):
        started = time.perf_counter()
        alone.append(answer())
        whole.append((time.perf_counter() - started) * 1000)
    figures = {
        "warm_ms": statistics.median(whole),
        "network_ms": statistics.median(alone),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        read(Path(sys.argv[2]), int(sys.argv[3]))
