"""Weights for InceptionV3 from the npm package ``nsfwjs``, read without JavaScript.

The package (MIT) carries an InceptionV3 that was fine-tuned from ImageNet on other pictures, for
TensorFlow.js: each number in eight bits, ``weight = stored * scale + min``. Its list of weights is
a JavaScript object, its shards are base64 inside JavaScript modules. Only the pinned version is
read, so the two patterns below are all the JavaScript there is to understand.
"""

from __future__ import annotations

import base64
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.errors import WeightsError
from training.torch_weights import check_sha256

PACKAGE = "nsfwjs@4.4.0"
SHA256 = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"
Weights = dict[str, NDArray[np.float32]]

_FOLDER = "package/dist/models/inception_v3/"
_MANIFEST = re.compile(r"weightsManifest:(\[\{paths:.*?\}\]\}\])", re.DOTALL)
_SHARD = re.compile(r'"([A-Za-z0-9+/]+={0,2})"\}')
_KEY = re.compile(r"([{,])([A-Za-z_]+):")
_BARE_FRACTION = re.compile(r"(?<=[:,\[-])\.(?=\d)")


def read_start(package: Path, sha256: str = SHA256) -> Weights:
    """Read every weight of the package's InceptionV3.

    Parameters
    ----------
    package : pathlib.Path
        The file that ``npm pack nsfwjs@4.4.0`` writes.
    sha256 : str
        What its SHA-256 must be.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 under TensorFlow.js names, such as ``conv2d_1/kernel``.

    Raises
    ------
    WeightsError
        If the file is missing, is not the pinned one, or its parts do not fit together.
    """
    if not package.is_file():
        raise WeightsError(f"--start must name the file of `npm pack {PACKAGE}`; there is none")
    check_sha256(package, sha256)
    with tarfile.open(package, "r:gz") as archive:
        group = _manifest(_text(archive, "model"))
        stored = b"".join(_shard(_text(archive, name)) for name in group["paths"])
    return _dequantized(group["weights"], stored)


def _text(archive: tarfile.TarFile, name: str) -> str:
    try:
        member = archive.extractfile(f"{_FOLDER}{name}.min.js")
    except KeyError as error:
        raise WeightsError(f"the package must hold {name}.min.js; it does not") from error
    if member is None:
        raise WeightsError(f"{name}.min.js must be a file of the package; it is not")
    return member.read().decode("utf-8")


def _manifest(script: str) -> dict[str, Any]:
    """The one group of weights: its shards (``paths``) and its tensors (``weights``)."""
    found = _MANIFEST.search(script)
    if found is None:
        raise WeightsError("the package's model must list its weights; it does not")
    text = _BARE_FRACTION.sub("0.", _KEY.sub(r'\1"\2":', found.group(1)))
    groups: list[dict[str, Any]] = json.loads(text)
    if len(groups) != 1:
        raise WeightsError(f"the package's weights must be one group; got {len(groups)}")
    return groups[0]


def _shard(script: str) -> bytes:
    found = _SHARD.findall(script)
    if len(found) != 1:
        raise WeightsError(f"a shard must be one base64 text; got {len(found)}")
    return base64.b64decode(found[0], validate=True)


def _dequantized(tensors: list[dict[str, Any]], stored: bytes) -> Weights:
    values = np.frombuffer(stored, np.uint8)
    weights, at = {}, 0
    for tensor in tensors:
        kind = tensor.get("quantization", {}).get("dtype")
        if kind != "uint8":
            raise WeightsError(f"{tensor['name']} must be stored as uint8; got {kind}")
        part = values[at : at + int(np.prod(tensor["shape"]))]
        at += int(np.prod(tensor["shape"]))
        if at > values.size:
            raise WeightsError(f"the shards must hold all weights; they end in {tensor['name']}")
        scale, lowest = (tensor["quantization"][key] for key in ("scale", "min"))
        weights[tensor["name"]] = (part * np.float32(scale) + np.float32(lowest)).reshape(
            tensor["shape"]
        )
    if at != values.size:
        raise WeightsError(f"the shards must hold {at} weights; got {values.size}")
    return weights


def inception_layers(base: keras.Model) -> Iterator[tuple[keras.Layer, tuple[str, ...]]]:
    """Each layer of an InceptionV3 that has weights, with the names of its stored weights.

    Both sides number convolutions and batch norms in the order in which the network is built
    (TensorFlow.js from 1; Keras from wherever the process has got to).
    """
    parts = {
        keras.layers.Conv2D: ("conv2d", ("kernel",)),
        # This InceptionV3 has no gamma: the convolutions' ReLU makes it redundant.
        keras.layers.BatchNormalization: (
            "batch_normalization",
            ("beta", "moving_mean", "moving_variance"),
        ),
    }
    for kind, (stem, weights) in parts.items():
        layers = sorted((la for la in base.layers if type(la) is kind), key=_number)
        for place, layer in enumerate(layers, start=1):
            yield layer, tuple(f"{stem}_{place}/{weight}" for weight in weights)


def _number(layer: keras.Layer) -> int:
    digits = re.search(r"_(\d+)$", layer.name)
    return int(digits.group(1)) if digits else 0
