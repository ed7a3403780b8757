"""Make the toys' weights, the same for both.

Run in the training environment, which has the package onnx:

.venv-train/bin/python tests/inference/toy_models/make_toy_weights.py
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOYS = ("toy_brightness", "toy_second_look")


def _save(name: str, nodes: list, inputs: list, outputs: list, constants: dict) -> None:
    tensors = [
        numpy_helper.from_array(np.asarray(value, np.float32), key)
        for key, value in constants.items()
    ]
    graph = helper.make_graph(nodes, name, inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    for toy in TOYS:
        weights = Path(__file__).parent / toy / "weights" / f"{name}.onnx"
        weights.write_bytes(model.SerializeToString())


def _values(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def main() -> None:
    _save(
        "finder",
        [
            helper.make_node("Sub", ["x", "threshold"], ["above"]),
            helper.make_node("Mul", ["above", "steep"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["mask"]),
        ],
        [_values("x", "n", 64, 64)],
        [_values("mask", "n", 64, 64)],
        {"threshold": 0.1, "steep": 50.0},
    )
    weight = np.stack([np.full(64, -1 / 16), np.full(64, 1 / 16)], axis=1)
    _save(
        "classifier",
        [
            helper.make_node("Flatten", ["x"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("Sub", ["x", "half"], ["activation"]),
        ],
        [_values("x", "n", 8, 8)],
        [_values("probabilities", "n", 2), _values("activation", "n", 8, 8)],
        {"weight": weight, "bias": [2.0, -2.0], "half": 0.5},
    )


if __name__ == "__main__":
    main()
