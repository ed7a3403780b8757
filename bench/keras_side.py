"""The baseline: the same preparation and the same two networks, run by Keras `model.predict`.

Runs in `.venv-train`.

    python -m bench.keras_side make FOLDER           build the networks from the weights, save them
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
from inference.registry import model_facts, model_folder


class Predicted:
    """A Keras network behind the interface that `prepare` asks."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def run(self, array: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run `model.predict`."""
        outputs = self._model.predict(array, verbose=0)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def make(folder: Path) -> None:
    """Save both networks as Keras files, as somebody who serves with Keras would have them."""
    from training.chest_xray.keras_networks import load_networks

    for role, model in load_networks(model_folder(MODEL)).items():
        model.save(folder / f"{role}.keras")


def read(array: Path, runs: int) -> None:
    """Read the array `runs` times."""
    import keras

    assert network.Calibrated  # importing the module registers the layer that the file names
    image, facts = image_of(np.load(array)), model_facts(MODEL)
    lungs, classifier = (
        Predicted(keras.models.load_model(array.parent / f"{role}.keras"))
        for role in ("lungs", "classifier")
    )

    def answer() -> float:
        prepared = prepare.prepare(image, {"lungs": lungs})
        assert isinstance(prepared, Prepared)
        started = time.perf_counter()
        outputs = classifier.run(prepared.array)
        spent = (time.perf_counter() - started) * 1000
        interpret_outputs(facts, outputs)
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
