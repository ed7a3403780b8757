"""Fine-tuning of the classifier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from inference.models.chest_xray import network, prepare
from training.averaging import RunningAverage
from training.chest_xray.crops import Crops
from training.chest_xray.drawing import draw_weights, drawn_epoch, usable
from training.chest_xray.imagenet import State, load_into
from training.chest_xray.settings import Settings
from training.errors import TableError
from training.fitting import Batch, Checkpoint, Schedule, fit

log = logging.getLogger(__name__)
_FORBIDDEN = -30.0
_ADVERSARY_WIDTH = 128
_HEAD_RATE = 3e-3
# A feature that hardly moves here must not decide where it does.
_LEAST_SPREAD = 0.02
Floats = NDArray[np.float32]


def train_classifier(
    crops: Crops,
    settings: Settings,
    imagenet: State | None,
    checkpoint: Path,
) -> keras.Model:
    """Fine-tune on these lung boxes.

    Parameters
    ----------
    crops : Crops
        Training images only.
    settings : Settings
        Sections ``[classifier]``, ``[mitigation]`` and ``[draws]`` are used.
    imagenet : dict or None
        Weights to start from; None starts from chance.
    checkpoint : pathlib.Path
        Written after every epoch; a later call goes on from it.

    Returns
    -------
    keras.Model
        See ``network.classifier``; without what only training needed.

    Raises
    ------
    TableError
        If no image is left to train on.
    """
    own = settings.classifier
    part = crops.of(tuple(row for row in crops.rows if usable(row, settings)))
    if not part.rows:
        raise TableError("training must have images in which lungs were found; there are none")
    sources = tuple(sorted({row.source for row in part.rows}))
    keras.utils.set_random_seed(settings.seed)
    model = new_classifier(settings, imagenet)
    whole = _with_helpers(model, len(sources), settings)
    batches = partial(drawn_epoch, part, settings, sources)
    if own.head_epochs:
        _fit_head(whole, batches, settings, checkpoint)
    _compile(whole, own.learning_rate, settings)
    total = own.epochs * own.steps_per_epoch
    schedule = Schedule(own.learning_rate, own.warm_up_steps, total)
    average = RunningAverage(settings.mitigation.averaging, first_step=total // 2)
    told = partial(_say, checkpoint.stem, own.epochs)
    fit(whole, batches, schedule, own.epochs, Checkpoint(checkpoint, average), told, average)
    average.put_into(whole)
    if own.head_refit:
        refit_head(model, part, settings)
    return model


def refit_head(model: keras.Model, crops: Crops, settings: Settings) -> None:
    """Replace the head by a strongly penalised multinomial regression on plain pictures of adults.

    The features have learned more than the head that was trained with them uses: it leans on what
    tells the sources apart (Kirichenko 2022). It stays one dense layer.

    Parameters
    ----------
    model : keras.Model
        See ``network.classifier``; changed in place.
    crops : Crops
        The images that trained it; children are left out.
    settings : Settings
        ``head_refit``, classes and draws.
    """
    adults = crops.of(tuple(row for row in crops.rows if not row.child))
    truth = np.array([settings.classes.index(row.label) for row in adults.rows])
    if set(truth) != set(range(len(settings.classes))):
        raise TableError("adults of every class must train the head; a class is missing")
    features = features_of(model, adults.composed())
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), _LEAST_SPREAD)
    regression = LogisticRegression(C=settings.classifier.head_refit, max_iter=2000)
    weights = draw_weights(adults.rows, settings) * len(truth)
    regression.fit((features - mean) / scale, truth, sample_weight=weights)
    kernel = (regression.coef_ / scale).T  # (features, classes)
    bias = regression.intercept_ - mean @ kernel
    model.get_layer(network.HEAD).set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def _fit_head(
    whole: keras.Model, batches: Callable[[int], Iterator[Batch]], settings: Settings, path: Path
) -> None:
    """Let the head learn alone; everything below the pooled features stays as it came."""
    own = settings.classifier
    learning = [layer for layer in whole.layers if layer.trainable]
    for layer in learning:
        layer.trainable = isinstance(layer, keras.layers.Dense)
    _compile(whole, _HEAD_RATE, settings)
    steps = own.head_epochs * own.steps_per_epoch
    head = path.with_name(f"{path.stem}-head.npz")
    told = partial(_say, head.stem, own.head_epochs)
    schedule = Schedule(_HEAD_RATE, own.warm_up_steps, steps)
    fit(whole, lambda epoch: batches(-1 - epoch), schedule, own.head_epochs, Checkpoint(head), told)
    for layer in learning:
        layer.trainable = True


def _compile(whole: keras.Model, rate: float, settings: Settings) -> None:
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.classifier.weight_decay)
    whole.compile(optimizer, partial(training_loss, settings=settings))


def _say(name: str, epochs: int, epoch: int, loss: float) -> None:
    log.info("%s: epoch %d of %d, loss %.4f", name, epoch + 1, epochs, loss)


def new_classifier(settings: Settings, imagenet: State | None) -> keras.Model:
    """The network before fine-tuning: ImageNet's weights, a head from chance."""
    own = settings.classifier
    model = network.classifier(
        prepare.INPUT_SIDE, len(settings.classes), own.dropout, own.backbone,
        "imagenet" if imagenet is not None else None,
    )  # fmt: skip
    if own.backbone == network.OWN_BACKBONE:
        if imagenet is not None:
            load_into(model, imagenet)
        _freeze(model, own.frozen_stages)
    return model


def _freeze(model: keras.Model, stages: int) -> None:
    """Keep the stem and the first stages as they came: edges and blobs are the same here."""
    if stages < 1:
        return
    first = tuple(f"stage{number}_" for number in range(stages))
    for layer in model.layers:
        if layer.name.startswith(("stem", *first)):
            layer.trainable = False


def _with_helpers(model: keras.Model, sources: int, settings: Settings) -> keras.Model:
    """Add what only training needs: an opacity output and, if wanted, the adversary."""
    pooled = model.get_layer(network.POOL).output
    opacity = keras.layers.Dense(1, name="opacity")(pooled)
    told = [model.output, opacity]
    if settings.mitigation.adversary:
        turned = GradientReversal(settings.mitigation.adversary, name="reversal")(pooled)
        hidden = keras.layers.Dense(_ADVERSARY_WIDTH, activation="relu", name="spy")(turned)
        told.append(keras.layers.Dense(sources, name="source")(hidden))
    joined = keras.layers.Concatenate(name="outputs")(told)
    return keras.Model(model.input, joined, name="training_classifier")


class GradientReversal(keras.layers.Layer):  # type: ignore[misc]
    """Passes its input on; the gradient comes back reversed and weighted.

    References
    ----------
    Ganin and Lempitsky, Unsupervised domain adaptation by backpropagation, ICML 2015.
    """

    def __init__(self, weight: float, **options: Any) -> None:
        super().__init__(**options)
        self.weight = weight

    def call(self, features: Any) -> Any:
        """Same value; its derivative is -weight."""
        return -self.weight * features + ops.stop_gradient((1 + self.weight) * features)


def training_loss(wanted: Any, outputs: Any, settings: Settings) -> Any:
    """Cross-entropy among the allowed classes, plus opacity, plus the adversary.

    Rows of ``wanted`` are laid out as ``drawing.targets`` says.
    """
    classes, mitigation = len(settings.classes), settings.mitigation
    smoothing = settings.classifier.label_smoothing
    total = allowed_cross_entropy(
        wanted[:, : 2 * classes], outputs[:, :classes], classes, smoothing
    )
    if mitigation.opacity_loss:
        opaque, weight = wanted[:, 2 * classes], wanted[:, 2 * classes + 1]
        logit = outputs[:, classes]
        cross = ops.softplus(logit) - opaque * logit
        total = total + mitigation.opacity_loss * weight * cross
    if mitigation.adversary:
        chances = ops.log_softmax(outputs[:, classes + 1 :], axis=-1)
        total = total - ops.sum(wanted[:, 2 * classes + 2 :] * chances, axis=-1)
    return total


def allowed_cross_entropy(wanted: Any, logits: Any, classes: int, smoothing: float) -> Any:
    """Cross-entropy among the classes that a row may speak about; see ``drawing.targets``.

    Where a row may be one of several classes, their probabilities are added up first. Smoothing
    asks a little of every allowed class (Szegedy 2016).
    """
    may_be, allowed = wanted[:, :classes], wanted[:, classes:]
    chances = ops.log_softmax(ops.where(allowed > 0, logits, _FORBIDDEN), axis=-1)
    right = ops.logsumexp(ops.where(may_be > 0, chances, _FORBIDDEN), axis=-1)
    spread = ops.sum(allowed * chances, axis=-1) / ops.sum(allowed, axis=-1)
    return -(1 - smoothing) * right - smoothing * spread


def predicted(model: keras.Model, inputs: Floats) -> Floats:
    """Logits, float32, shape (images, classes)."""
    return np.asarray(model.predict(inputs, batch_size=64, verbose=0), np.float32)


def pooled_features(model: keras.Model) -> keras.Model:
    """The network up to its pooled features, (batch, features)."""
    return keras.Model(model.input, model.get_layer(network.POOL).output)


def features_of(model: keras.Model, inputs: Floats) -> Floats:
    """Pooled features, float32, shape (images, features)."""
    found = pooled_features(model).predict(inputs, batch_size=64, verbose=0)
    return np.asarray(found, np.float32)
