"""Features of the prepared images by the network before any fine-tuning."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import network, prepare
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import State, load_into

_TOGETHER = 256


def frozen_features(crops: Crops, imagenet: State, work: Path) -> NDArray[np.float32]:
    """Mean over the feature map of EfficientNet-Lite0 with ImageNet's weights.

    Parameters
    ----------
    crops : Crops
        What serving makes of each image.
    imagenet : State
        See ``imagenet.read_imagenet``.
    work : pathlib.Path
        Outside the repository; equal crops are computed once.

    Returns
    -------
    numpy.ndarray
        float32, shape (images, 1280), in the order of ``crops.rows``.
    """
    digest = hashlib.sha256(crops.equalised.tobytes() + crops.hull.tobytes())
    digest.update(prepare.PREPARE_VERSION.encode())
    path = work / f"imagenet-features-{digest.hexdigest()[:12]}.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, _computed(crops, imagenet))
        partial.replace(path)
    return np.asarray(np.load(path, allow_pickle=False), np.float32)


def _computed(crops: Crops, imagenet: State) -> NDArray[np.float32]:
    base = network.backbone(prepare.INPUT_SIDE)
    load_into(base, imagenet)
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(base.input, pooled)
    found = []
    for start in range(0, len(crops.rows), _TOGETHER):
        numbers = range(start, min(start + _TOGETHER, len(crops.rows)))
        inputs = np.stack([prepare.compose(crops.crop(i)) for i in numbers])[..., None]
        found.append(model.predict(inputs, verbose=0))
    return np.concatenate(found)
