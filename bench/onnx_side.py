"""Wetread's side of one image: print `ready` at the first answer, then the figures as JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from inference.images import Image
from inference.registry import load_model

MODEL = "chest_xray"


def image_of(pixels: np.ndarray) -> Image:
    """A decoded radiograph from its array alone, float32 (rows, columns), 0..1."""
    stored = np.round(pixels * 4095).astype(np.uint16)
    return Image(
        pixels=pixels,
        stored=stored,
        window=(2047.5, 4095.0),
        inverted=False,
        colour=False,
        frames=1,
        source="picture",
        spacing_mm=None,
        facts=None,
    )


def main(array: Path, runs: int) -> None:
    """Read the array `runs` times."""
    image = image_of(np.load(array))
    model = load_model(MODEL)
    assert model.read([image]).status == "ok"
    print("ready", flush=True)
    whole, network = [], []
    for _ in range(runs):
        started = time.perf_counter()
        prediction = model.read([image])
        whole.append((time.perf_counter() - started) * 1000)
        network.append(prediction.timings_ms["network"])
    figures = {
        "warm_ms": statistics.median(whole),
        "network_ms": statistics.median(network),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
