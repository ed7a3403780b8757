"""Fine-tuning of the classifier from ImageNet weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inference.models.chest_xray import network, prepare
from training.chest_xray.crops import Crops
from training.chest_xray.drawing import drawn_epoch, usable
from training.chest_xray.imagenet import State, load_into
from training.chest_xray.settings import Settings
from training.errors import TableError
from training.fitting import Checkpoint, Schedule, fit

log = logging.getLogger(__name__)
_FORBIDDEN = -30.0
Floats = NDArray[np.float32]


def train_classifier(
    crops: Crops,
    settings: Settings,
    imagenet: State | None,
    checkpoint: Path,
    epochs: int,
    after_epoch: Callable[[keras.Model, int, float], None] | None = None,
) -> keras.Model:
    """Fine-tune on these lung boxes.

    Parameters
    ----------
    crops : Crops
        Training images only.
    settings : Settings
        Sections ``[classifier]`` and ``[draws]`` are used.
    imagenet : dict or None
        Weights to start from; None starts from chance.
    checkpoint : pathlib.Path
        Written after every epoch; a later call goes on from it.
    epochs : int
        In all.
    after_epoch : callable, optional
        Receives the model, the epoch's number and its loss.

    Returns
    -------
    keras.Model
        See ``network.classifier``.

    Raises
    ------
    TableError
        If no image is left to train on.
    """
    own = settings.classifier
    keras.utils.set_random_seed(settings.seed)
    model = network.classifier(prepare.INPUT_SIDE, len(settings.classes), own.dropout)
    if imagenet is not None:
        load_into(model, imagenet)
    _freeze(model, own.frozen_stages)
    optimizer = keras.optimizers.AdamW(own.learning_rate, weight_decay=own.weight_decay)
    model.compile(optimizer, partial(allowed_cross_entropy, classes=len(settings.classes)))
    part = crops.of(tuple(row for row in crops.rows if usable(row, settings)))
    if not part.rows:
        raise TableError("training must have images in which lungs were found; there are none")
    schedule = Schedule(own.learning_rate, own.warm_up_steps, epochs * own.steps_per_epoch)

    def told(epoch: int, loss: float) -> None:
        log.info("%s: epoch %d of %d, loss %.4f", checkpoint.stem, epoch + 1, epochs, loss)
        if after_epoch is not None:
            after_epoch(model, epoch, loss)

    fit(model, partial(drawn_epoch, part, settings), schedule, epochs, Checkpoint(checkpoint), told)
    return model


def allowed_cross_entropy(wanted: Any, logits: Any, classes: int) -> Any:
    """Cross-entropy among the classes that a row may speak about; see ``drawing.targets``."""
    allowed = wanted[:, classes:]
    chances = ops.log_softmax(ops.where(allowed > 0, logits, _FORBIDDEN), axis=-1)
    return -ops.sum(wanted[:, :classes] * chances, axis=-1)


def _freeze(model: keras.Model, stages: int) -> None:
    """Keep the stem and the first stages as they came: edges and blobs are the same here."""
    if stages < 1:
        return
    first = tuple(f"stage{number}_" for number in range(stages))
    for layer in model.layers:
        if layer.name.startswith(("stem", *first)):
            layer.trainable = False


def predicted(model: keras.Model, inputs: Floats) -> Floats:
    """Logits, float32, shape (images, classes)."""
    return np.asarray(model.predict(inputs, batch_size=32, verbose=0), np.float32)
