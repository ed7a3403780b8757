"""An ONNX file of half the size: weights kept as float16, computed with as float32.

ONNX Runtime turns the weights back into float32 once, when the file is opened: the same speed, and
no operator has to know float16.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.errors import ExportError

# Convolutions are nearly all of a network. Small tensors (biases, batch norms) save nothing, and
# heads and distances are what the answer hangs on: they keep their precision.
_LEAST_SIZE, _KERNEL = 1024, 4
_LARGEST = float(np.finfo(np.float16).max)


def halve_weights(path: Path, probe: NDArray[np.float32], tolerance: float) -> str:
    """Rewrite an ONNX file with its convolutions as float16 and compare both on a probe.

    Parameters
    ----------
    path : pathlib.Path
        The ``.onnx`` file; it is replaced.
    probe : numpy.ndarray
        float32, a batch of inputs on which both must agree.
    tolerance : float
        Largest difference of any output, in parts of its largest value where that is above 1.

    Returns
    -------
    str
        SHA-256 of the new file, lower-case hexadecimal.

    Raises
    ------
    ExportError
        If a weight does not fit float16 or an output differs by more than the tolerance.
    """
    before = path.read_bytes()
    model = onnx.load_from_string(before)
    casts = []
    for stored in model.graph.initializer:
        values = numpy_helper.to_array(stored)
        if values.dtype != np.float32 or values.size < _LEAST_SIZE or values.ndim != _KERNEL:
            continue
        if float(np.abs(values).max()) > _LARGEST:
            raise ExportError(f"weights must lie within ±{_LARGEST:.0f} to be halved; some do not")
        name, half = stored.name, f"{stored.name}_half"
        stored.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [name], name=half, to=onnx.TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    after: bytes = model.SerializeToString()
    _compare(before, after, probe, tolerance)
    path.write_bytes(after)
    return hashlib.sha256(after).hexdigest()


def _compare(before: bytes, after: bytes, probe: NDArray[np.float32], tolerance: float) -> None:
    import onnxruntime

    told = []
    for file in (before, after):
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        told.append(session.run(None, {session.get_inputs()[0].name: probe}))
    difference = max(_apart(a, b) for a, b in zip(*told, strict=True))
    if not difference <= tolerance:
        raise ExportError(
            f"half the weights must give the same outputs within {tolerance}; got {difference:.4g}"
        )


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max()) / max(1.0, float(np.abs(one).max()))
