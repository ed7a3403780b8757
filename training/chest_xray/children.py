"""Bacterial against viral pneumonia in children: a small network of its own.

It answers another question than the model and shares nothing with it but the preparation of the
picture. All its images come from one hospital.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inference.models.chest_xray import network, prepare
from training.averaging import RunningAverage
from training.chest_xray.augmentation import augmented
from training.chest_xray.children_figures import Answers, children_figures
from training.chest_xray.children_settings import ChildrenSettings
from training.chest_xray.classifier import new_classifier, predicted
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import State
from training.chest_xray.settings import Mitigation, Settings
from training.chest_xray.table import Row
from training.export import export_onnx
from training.fitting import Batch, Checkpoint, Schedule, fit
from training.half_weights import halve_weights

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]

# Healthy children as a third class did not help (decision 0337).
CLASSES = ("bacterial", "viral")
_PART = 340
_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8.0), 200))
_HALF_TOLERANCE = 5e-3


@dataclass(frozen=True)
class ChildrenFit:
    """What :func:`fit_children` finds.

    Attributes
    ----------
    model : keras.Model
        Logits of bacterial and viral.
    temperature : float
        The logits are divided by it; fitted on the fold for choices.
    figures : dict
        For ``figures.json``, key ``"children"``.
    """

    model: keras.Model
    temperature: float
    figures: dict[str, Any]

    def trained(self) -> dict[str, Any]:
        """What serving tells, for ``trained.json``, key ``"children"``."""
        held_out = self.figures["held_out"]
        return {
            "temperature": self.temperature,
            "auc": held_out["auc"],
            "right_class": held_out["right_class"],
        }


def fit_children(
    crops: Crops, settings: Settings, imagenet: State | None, work: Path
) -> ChildrenFit | None:
    """Train, set the temperature on the fold for choices, judge both kept folds.

    Parameters
    ----------
    crops : Crops
        All images; those of the source in ``[children]`` are used.
    settings : Settings
        Sections ``[children]``, ``[folds]`` and ``[report]`` are used, and of ``[classifier]``
        dropout and frozen stages.
    imagenet : dict or None
        Weights to start from; None starts from chance.
    work : pathlib.Path
        Folder of the checkpoint.

    Returns
    -------
    ChildrenFit or None
        None where a part of the split lacks bacterial or viral pneumonia.
    """
    source = settings.children.source
    training, choices, held_out = _parts(crops, settings)
    if any({r.finding for r in part.rows} < set(CLASSES) for part in (training, choices, held_out)):
        log.info("children: no network, bacterial or viral pneumonia is missing in %s", source)
        return None
    model = train_children(training, settings, imagenet, work / "children.npz")
    logits = {"choices": both_ways(model, choices), "held_out": both_ways(model, held_out)}
    temperature = fit_temperature(logits["choices"], choices.rows)
    answers = {
        name: Answers(part.rows, bacterial_share(logits[name], temperature))
        for name, part in (("choices", choices), ("held_out", held_out))
    }
    figures = children_figures(answers, training.rows, source, settings)
    return ChildrenFit(model, temperature, {**figures, "temperature": temperature})


def _parts(crops: Crops, settings: Settings) -> tuple[Crops, Crops, Crops]:
    """Training, choices, held out. What shares a patient with the article's set decides nothing."""
    choices, held_out = settings.folds.choices, settings.folds.held_out
    source = settings.children.source
    rows = tuple(row for row in crops.rows if row.source == source and row.finding in CLASSES)
    clean = tuple(row for row in rows if not row.article_overlap)
    return (
        crops.of(tuple(row for row in clean if row.fold not in (choices, held_out))),
        crops.of(tuple(row for row in clean if row.fold == choices)),
        crops.of(tuple(row for row in rows if row.fold == held_out)),
    )


def train_children(
    crops: Crops, settings: Settings, imagenet: State | None, checkpoint: Path
) -> keras.Model:
    """Fine-tune on these children; a later call goes on from the checkpoint.

    Returns
    -------
    keras.Model
        (batch, INPUT_SIDE, INPUT_SIDE, 1) in 0..1 -> logits, (batch, 2).
    """
    own = settings.children
    keras.utils.set_random_seed(settings.seed)
    same = dataclasses.replace(settings.classifier, backbone=network.OWN_BACKBONE)
    model = new_classifier(
        dataclasses.replace(settings, classes=CLASSES, classifier=same), imagenet
    )
    optimizer = keras.optimizers.AdamW(own.learning_rate, weight_decay=own.weight_decay)
    model.compile(optimizer, cross_entropy)
    total = own.epochs * _steps(crops, own)
    average = RunningAverage(own.averaging, first_step=total // 2)

    def told(epoch: int, loss: float) -> None:
        log.info("children: epoch %d of %d, loss %.4f", epoch + 1, own.epochs, loss)

    fit(
        model,
        partial(_epoch, crops, settings),
        Schedule(own.learning_rate, own.warm_up_steps, total),
        own.epochs,
        Checkpoint(checkpoint, average),
        told,
        average,
    )
    average.put_into(model)
    return model


def cross_entropy(wanted: Any, logits: Any) -> Any:
    """Between smoothed labels and softmax, per image."""
    return -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)


def _steps(crops: Crops, own: ChildrenSettings) -> int:
    return max(1, len(crops.rows) // own.batch)


def _epoch(crops: Crops, settings: Settings, epoch: int) -> Iterator[Batch]:
    """Every image once, in random order, changed; the rest that fills no batch waits."""
    own = settings.children
    rng = np.random.default_rng([settings.seed, _PART, epoch])
    order = rng.permutation(len(crops.rows))
    changes = _changes(settings)
    for step in range(_steps(crops, own)):
        chosen = order[step * own.batch : (step + 1) * own.batch]
        pictures = [crops.picture(int(index)) for index in chosen]
        inputs = [augmented(picture, picture, rng, changes) for picture in pictures]
        labels = [CLASSES.index(crops.rows[index].finding) for index in chosen]
        wanted = np.eye(len(CLASSES), dtype=np.float32)[labels]
        smoothed = wanted * (1 - own.label_smoothing) + own.label_smoothing / len(CLASSES)
        yield np.stack(inputs)[..., None], smoothed.astype(np.float32)


def _changes(settings: Settings) -> Mitigation:
    """One source only: nothing is swapped or mixed."""
    degraded = settings.children.degraded
    return dataclasses.replace(
        settings.mitigation, frame_swap=0.0, amplitude_mix=0.0, degraded=degraded
    )


def both_ways(model: keras.Model, crops: Crops) -> Floats:
    """Logits of every image as it is and mirrored, as in serving: (2, images, classes)."""
    inputs = crops.composed()
    return np.stack([predicted(model, inputs), predicted(model, inputs[:, :, ::-1])])


def bacterial_share(logits: Floats, temperature: float) -> NDArray[np.float64]:
    """Probability of bacterial given that it is bacterial or viral, (images,).

    Parameters
    ----------
    logits : numpy.ndarray
        As :func:`both_ways` gives them.
    temperature : float
        The logits are divided by it.
    """
    odds = (logits[..., 0].astype(np.float64) - logits[..., 1]) / temperature
    return np.asarray((1 / (1 + np.exp(-odds))).mean(axis=0))


def fit_temperature(logits: Floats, rows: tuple[Row, ...]) -> float:
    """The temperature with the least log loss (Guo 2017)."""
    bacterial = np.array([row.finding == CLASSES[0] for row in rows])

    def loss(temperature: float) -> float:
        share = bacterial_share(logits, temperature)
        return float(-np.log(np.maximum(np.where(bacterial, share, 1 - share), 1e-12)).mean())

    return round(float(min(_TEMPERATURES, key=lambda t: loss(float(t)))), 4)


def export_children(found: ChildrenFit, path: Path, settings: Settings) -> str:
    """Write the served network, its weights as float16; SHA-256 of the file.

    Its one output is ``probabilities`` (batch, 2): bacterial and viral, given one of them.

    Raises
    ------
    ExportError
        If the file does not answer like the trained network.
    """
    scaled = keras.layers.Rescaling(1 / found.temperature, name="temperature")
    probabilities = keras.layers.Softmax(name="probabilities")(scaled(found.model.output))
    served = keras.Model(found.model.input, probabilities, name="children")
    shape = (2, prepare.INPUT_SIDE, prepare.INPUT_SIDE, 1)
    probe = np.random.default_rng([settings.seed, _PART]).random(shape, np.float32)
    export_onnx(served, path, probe)
    return halve_weights(path, probe, _HALF_TOLERANCE)
