"""From Keras to ONNX, proven by equal outputs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.errors import ExportError

OPSET = 17
_LARGEST_DIFFERENCE = 1e-3
Floats = NDArray[np.float32]


def export_onnx(model: keras.Model, path: Path, probe: Floats) -> str:
    """Write a Keras network as ONNX and compare both on a probe.

    Parameters
    ----------
    model : keras.Model
        One input; one output or several.
    path : pathlib.Path
        The ``.onnx`` file.
    probe : numpy.ndarray
        float32, a batch of inputs on which both must agree.

    Returns
    -------
    str
        SHA-256 of the file, lower-case hexadecimal.

    Raises
    ------
    ExportError
        If an output differs by more than 0.001 (of its largest value, where that is above 1).
    """
    import tensorflow as tf
    import tf2onnx

    shape = (None, *model.input_shape[1:])
    signature = (tf.TensorSpec(shape, tf.float32, name="image"),)
    names = list(model.output_names)

    def serve(image: Any) -> Any:
        outputs = model(image, training=False)
        return dict(zip(names, outputs if isinstance(outputs, list) else [outputs], strict=True))

    function = tf.function(serve, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=OPSET)
    path.parent.mkdir(parents=True, exist_ok=True)
    _in_order(proto, names)
    _canonical(proto, ["image", *names])
    shapes = [model.input_shape, *(output.shape for output in model.outputs)]
    _name_shapes([*proto.graph.input, *proto.graph.output], shapes)
    path.write_bytes(proto.SerializeToString())
    _compare(model, path, probe)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _in_order(proto: Any, names: list[str]) -> None:
    """Dictionary outputs come sorted by name: put them back in the network's order."""
    by_name = {output.name: output for output in proto.graph.output}
    if set(by_name) != set(names):
        raise ExportError(f"the outputs must be named {names}; got {sorted(by_name)}")
    del proto.graph.output[:]
    proto.graph.output.extend(by_name[name] for name in names)


def _canonical(proto: Any, kept: list[str]) -> None:
    """Rename everything by its place: the same weights shall give the same file, and checksum.

    The converter numbers its names in an order that changes from process to process.
    """
    graph = proto.graph
    new = {name: name for name in ["", *kept]}
    stored = {one.name: one for one in graph.initializer}
    graph.doc_string = ""
    del graph.initializer[:], graph.value_info[:]
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}{number}"
        for name in node.input:
            if name not in new:
                new[name] = f"weight{len(new)}"
                stored[name].name = new[name]
                graph.initializer.append(stored[name])
        for place, name in enumerate(node.output):
            new.setdefault(name, f"{node.name}_{place}")
        node.input[:] = [new[name] for name in node.input]
        node.output[:] = [new[name] for name in node.output]


def _name_shapes(values: list[Any], shapes: list[tuple[int | None, ...]]) -> None:
    """Say every size; the converter leaves some open, under names that count up in a process."""
    for value, shape in zip(values, shapes, strict=True):
        for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
            if size is None:
                dimension.dim_param = "batch"
            else:
                dimension.dim_value = size


def _compare(model: keras.Model, path: Path, probe: Floats) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = session.run(None, {session.get_inputs()[0].name: probe})
    theirs = model.predict(probe, verbose=0)
    theirs = theirs if isinstance(theirs, list) else [theirs]
    for name, mine, other in zip(model.output_names, ours, theirs, strict=True):
        difference = float(np.abs(mine - other).max()) / max(1.0, float(np.abs(other).max()))
        if not difference <= _LARGEST_DIFFERENCE:
            raise ExportError(
                f"ONNX must give Keras' outputs within {_LARGEST_DIFFERENCE}; "
                f"{name} differs by {difference:.4g}"
            )
