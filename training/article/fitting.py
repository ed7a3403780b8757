"""One repetition: the article's fifty epochs, with a checkpoint after each."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from training.article.settings import Settings
from training.fitting import Checkpoint

log = logging.getLogger(__name__)
_CHUNK = 128


@dataclass(frozen=True)
class Labelled:
    """Grey pictures, uint8, shape (images, side, side), and the number of each one's class."""

    pictures: NDArray[np.uint8]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """What the article plots, and how long it took.

    ``accuracy`` and ``loss`` are of the training images while the network learned from them
    (turned, with dropout); ``val_accuracy`` and ``val_loss`` of the validation images afterwards.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


def fit(
    model: keras.Model,
    training: Labelled,
    validation: Labelled,
    settings: Settings,
    seed: int,
    folder: Path,
) -> tuple[Epoch, ...]:
    """Train a compiled network, going on where the folder's checkpoint ends.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    training, validation : Labelled
        Only ``training`` is learned from; nothing is chosen by ``validation``.
    settings : Settings
        Epochs, batch and rotation.
    seed : int
        Of the order and the angles of the images: the same for an epoch whenever it runs.
    folder : pathlib.Path
        Receives ``checkpoint.npz`` and ``history.json`` after every epoch.

    Returns
    -------
    tuple of Epoch
        Every epoch, those of an earlier call included.
    """
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(folder / "checkpoint.npz")
    done = checkpoint.restore(model)
    # The history is written first: a run that was cut off between the two has one epoch too many.
    history = _read_history(folder)[:done]
    check = (colours(validation.pictures), validation.classes)
    for epoch in range(done, settings.epochs):
        started = time.monotonic()
        inputs, classes = _epoch_images(training, settings, np.random.default_rng([seed, epoch]))
        found = model.fit(
            inputs, classes, settings.batch, verbose=0, shuffle=False, validation_data=check
        ).history
        figures = {name: float(values[0]) for name, values in found.items()}
        history.append(Epoch(epoch + 1, **figures, seconds=round(time.monotonic() - started, 1)))
        _write_history(folder, history)
        checkpoint.save(model, epoch + 1)
        log.info("epoch %d: accuracy %.3f, validation %.3f", epoch + 1, *_accuracies(history[-1]))
    return tuple(history)


def _accuracies(epoch: Epoch) -> tuple[float, float]:
    return epoch.accuracy, epoch.val_accuracy


def _epoch_images(
    training: Labelled, settings: Settings, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All training images once, in a new order, each turned by an angle of its own."""
    order = rng.permutation(len(training.classes))
    angles = rng.uniform(-settings.rotation, settings.rotation, len(order))
    turned = np.stack(
        [_turned(training.pictures[i], angle) for i, angle in zip(order, angles, strict=True)]
    )
    return colours(turned), training.classes[order]


def _turned(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Turn about the centre; corners take the nearest pixel, as Keras' generator fills them."""
    side = picture.shape[0]
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)
    turned = cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def colours(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey pictures as the network's input: (images, side, side, 3), 0..1."""
    grey = pictures.astype(np.float32) / np.float32(255)
    return np.repeat(grey[..., None], 3, axis=-1)


def predicted(model: keras.Model, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities, shape (images, classes); a few pictures at a time for the memory's sake."""
    parts = [
        model.predict(colours(pictures[at : at + _CHUNK]), batch_size=16, verbose=0)
        for at in range(0, len(pictures), _CHUNK)
    ]
    return np.concatenate(parts)


def _read_history(folder: Path) -> list[Epoch]:
    path = folder / "history.json"
    if not path.exists():
        return []
    return [Epoch(**entry) for entry in json.loads(path.read_text("utf-8"))]


def _write_history(folder: Path, history: list[Epoch]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "history.partial.json"
    partial.write_text(json.dumps([asdict(epoch) for epoch in history]), "utf-8")
    partial.replace(folder / "history.json")
