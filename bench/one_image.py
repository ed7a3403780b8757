"""One chest X-ray, decoded array to probability and heat map: ONNX Runtime against Keras.

Both sides run in a fresh process on the same array and print one line of JSON. `cold_s` is taken
from outside, from the start of the process to its first answer.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom.data import get_testdata_file

from bench.rows import Row
from inference.images import read_image

ROOT = Path(__file__).parent.parent
RUNS = 20
COLD_RUNS = 3


def measure(serving: Path, training: Path) -> list[Row]:
    """Time both sides.

    Parameters
    ----------
    serving, training : Path
        The Python of `.venv` and of `.venv-train`.
    """
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder) / "image.npy"
        _write_input(array)
        subprocess.run(
            [training, "-m", "bench.keras_side", "make", folder],
            cwd=ROOT,
            check=True,
            stderr=subprocess.DEVNULL,
        )
        # In turn, so that a machine whose speed drifts is as unfair to one as to the other.
        pairs = [
            (
                _run([serving, "-m", "bench.onnx_side", array, RUNS]),
                _run([training, "-m", "bench.keras_side", "read", array, RUNS]),
            )
            for _ in range(COLD_RUNS)
        ]
    ours, keras = _median([a for a, _ in pairs]), _median([b for _, b in pairs])
    against = "Keras model.predict, same networks and preparation"
    return [
        Row("one X-ray, array to probability and map", ours["warm_ms"], "ms", keras["warm_ms"],
            against, "at least 2x, goal 3x"),
        Row("  its classifier alone", ours["network_ms"], "ms", keras["network_ms"], against),
        Row("peak memory", ours["peak_mb"], "MB", keras["peak_mb"], against, "at least 3x"),
        Row("first answer of a cold process", ours["cold_ms"], "ms", keras["cold_ms"], against,
            "at least 8x"),
    ]  # fmt: skip


def _write_input(array: Path) -> None:
    """Write the demo radiograph as an array."""
    np.save(array, read_image(Path(str(get_testdata_file("RG1_UNCR.dcm")))).pixels)


def _run(command: list[object]) -> dict[str, float]:
    started = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        cold_ms = (time.perf_counter() - started) * 1000
        rest = process.stdout.read()
    if process.returncode or not first:
        sys.exit(f"{command[2]} must print its figures; it ended with {process.returncode}")
    return {"cold_ms": cold_ms, **json.loads(rest)}


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}
