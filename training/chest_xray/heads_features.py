"""Features of the prepared images by the network before any fine-tuning."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.classifier import features_of, new_classifier
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import State
from training.chest_xray.settings import Settings

log = logging.getLogger(__name__)


def frozen_features(
    crops: Crops, settings: Settings, imagenet: State | None, work: Path
) -> NDArray[np.float32]:
    """Pooled features of the network that fine-tuning starts from.

    Parameters
    ----------
    crops : Crops
        What serving makes of each image.
    settings : Settings
        Names the backbone.
    imagenet : State or None
        Weights to start from; None starts from chance.
    work : pathlib.Path
        Outside the repository; equal images are computed once.

    Returns
    -------
    numpy.ndarray
        float32, shape (images, features), in the order of ``crops.rows``.
    """
    inputs = crops.composed()
    start = settings.classifier.backbone if imagenet is not None else "chance"
    digest = hashlib.sha256(start.encode() + inputs.tobytes()).hexdigest()[:12]
    path = work / f"heads-features-{digest}.npy"
    if not path.exists():
        log.info("features of %d images before fine-tuning", len(inputs))
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, features_of(new_classifier(settings, imagenet), inputs))
        partial.replace(path)
    return np.asarray(np.load(path, allow_pickle=False), np.float32)
