"""The served networks as Keras models again, from the ONNX files in the model folder.

No second copy of the weights is kept. The export has merged each batch norm into its convolution;
here it comes back as a batch norm that only scales and shifts, so outputs and work are the same.
Used to compare ``model.predict`` with ONNX Runtime, and to serve the Keras network on a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from inference.models.chest_xray import lung_box, network, prepare
from training.chest_xray.settings import load_settings
from training.errors import WeightsError

Floats = NDArray[np.float32]
_PLAIN = {"slope": 1.0, "intercept": 0.0, "prior": 0.0}


@dataclass(frozen=True)
class Convolution:
    """A convolution of the ONNX graph with what follows it.

    Attributes
    ----------
    kernel : numpy.ndarray
        Shape (out, in / groups, rows, columns).
    scale, shift : numpy.ndarray
        Shape (out,).
    """

    kernel: Floats
    scale: Floats
    shift: Floats


def load_networks(folder: Path) -> dict[str, keras.Model]:
    """Build the Keras networks of a model folder with the weights that are served.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder, with ``training.toml`` and ``weights``.

    Returns
    -------
    dict of str to keras.Model
        ``"lungs"``: (batch, FINDER_SIDE, FINDER_SIDE, 1) -> same shape; ``"classifier"``: (batch,
        INPUT_SIDE, INPUT_SIDE, 1) -> probabilities and activation map, as in the ONNX file.

    Raises
    ------
    WeightsError
        If a file does not fit the network.
    """
    settings = load_settings(folder / "training.toml")
    lungs = network.lung_finder(lung_box.FINDER_SIDE)
    _fill(lungs, onnx.load(folder / "weights" / "lung_finder.onnx").graph)
    trained = network.classifier(prepare.INPUT_SIDE, len(settings.classes), 0.0)
    graph = onnx.load(folder / "weights" / "classifier.onnx").graph
    _fill(trained, graph)
    trained.get_layer(network.HEAD).set_weights(_dense(graph, len(settings.classes)))
    written = json.loads((folder / "trained.json").read_text("utf-8")).get("scale", _PLAIN)
    scale = network.TargetScale(settings.target_index, **written)
    served = network.served_classifier(trained, scale)
    return {"lungs": lungs, "classifier": served}


def _fill(model: keras.Model, graph: Any) -> None:
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    layers = [layer for layer in model.layers if isinstance(layer, kinds)]
    stored = list(_convolutions(graph))
    if len(layers) != len(stored):
        raise WeightsError(
            f"the file must hold the network's {len(layers)} convolutions; it holds {len(stored)}"
        )
    for layer, convolution in zip(layers, stored, strict=True):
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        kernel = convolution.kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        if layer.use_bias:
            layer.set_weights([kernel * convolution.scale, convolution.shift])
            continue
        layer.set_weights([kernel])
        flat = np.zeros_like(convolution.shift)
        variance = np.full_like(flat, 1 - network.BATCH_NORM_EPSILON)
        norm = model.get_layer(f"{layer.name}_norm")
        norm.set_weights([convolution.scale, convolution.shift, flat, variance])


def _convolutions(graph: Any) -> Iterator[Convolution]:
    """In the order in which they are computed."""
    constants = _constants(graph)
    follower = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        kernel = constants[node.input[1]]
        scale = np.ones(kernel.shape[0], np.float32)
        shift = np.zeros(kernel.shape[0], np.float32)
        if len(node.input) > 2:
            shift = constants[node.input[2]]
        while (node := follower[node.output[0]]).op_type in ("Mul", "Add"):
            values = [constants[name] for name in node.input if name in constants]
            if len(values) != 1 or values[0].size != kernel.shape[0]:
                break
            if node.op_type == "Mul":
                scale, shift = scale * values[0].ravel(), shift * values[0].ravel()
            else:
                shift = shift + values[0].ravel()
        yield Convolution(kernel, scale, shift)


def _dense(graph: Any, classes: int) -> list[Floats]:
    """Kernel and bias of the one dense layer."""
    constants = _constants(graph)
    found: dict[str, Floats] = {}
    for node in graph.node:
        for name in node.input:
            values = constants.get(name)
            if node.op_type == "MatMul" and values is not None and values.shape[-1] == classes:
                found["kernel"] = values
            if node.op_type == "Add" and values is not None and values.shape == (classes,):
                found["bias"] = values
    if set(found) != {"kernel", "bias"}:
        raise WeightsError("the classifier must end in one dense layer with bias")
    return [found["kernel"], found["bias"]]


def _constants(graph: Any) -> dict[str, Floats]:
    """Stored weights by name; those kept in float16 also under the name of their widened form."""
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]].astype(np.float32)
    return stored
