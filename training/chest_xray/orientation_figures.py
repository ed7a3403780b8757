"""Thresholds of the orientation network: what they cost and what they recognise."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from inference.models.chest_xray.orientation import FAULTS
from training.chest_xray.gate_settings import OrientationSettings
from training.chest_xray.orientation_pictures import (
    INVERTED,
    LOGITS,
    MADE,
    MIRRORED,
    Pictures,
    faulty,
)
from training.intervals import rate
from training.markdown import table

Floats = NDArray[np.float32]
# A quantile of fewer images is their maximum, which says nothing.
_LEAST_IMAGES = 50


def above_thresholds(trained: keras.Model, thresholds: Floats) -> keras.Model:
    """What is exported: how far the log-odds of each fault lie above its threshold.

    Parameters
    ----------
    trained : keras.Model
        As ``orientation.build`` makes it.
    thresholds : numpy.ndarray
        float32, shape (faults,), log-odds in the order of ``FAULTS``.

    Returns
    -------
    keras.Model
        Same input -> ``faults`` (batch, faults). A turn is judged against upright.
    """
    contrast = layers.Dense(len(FAULTS), name="faults")
    model = keras.Model(trained.input, contrast(trained.output), name="orientation_served")
    kernel = np.zeros((LOGITS, len(FAULTS)), np.float32)
    kernel[0, :3] = -1
    kernel[[1, 2, 3, MIRRORED, INVERTED], range(len(FAULTS))] = 1
    contrast.set_weights([kernel, -np.asarray(thresholds, np.float32)])
    return model


def choose_thresholds(trained: keras.Model, choices: Pictures, own: OrientationSettings) -> Floats:
    """Log-odds above which a fault is believed, at a cost of ``own.refused`` in every source.

    Turned and inverted pictures are plain to see and get a tenth of the cost; nearly all of it is
    spent on mirrored ones, where the heart's side is the only sign.

    Parameters
    ----------
    trained : keras.Model
        As ``orientation.train_orientation`` gives it.
    choices : Pictures
        Of the fold for choices; all of them count as proper.
    own : OrientationSettings
        Section ``[orientation]``.

    Returns
    -------
    numpy.ndarray
        float32, shape (faults,), not below 0 (even odds).
    """
    plain = above_thresholds(trained, np.zeros(len(FAULTS), np.float32))
    odds = answers(plain, choices.values.astype(np.float32) / np.float32(255))
    worst = np.stack([odds[:, :3].max(axis=1), odds[:, 3], odds[:, 4]], axis=1)
    shares = own.refused * np.array([0.1, 0.8, 0.1])
    sources = np.array([row.source for row in choices.rows])
    names, counts = np.unique(sources, return_counts=True)
    limits = [
        [np.quantile(worst[sources == one, kind], 1 - share) for kind, share in enumerate(shares)]
        for one in (names[counts >= _LEAST_IMAGES] if counts.max() >= _LEAST_IMAGES else names)
    ]
    turned, mirrored, inverted = np.maximum(np.max(limits, axis=0), 0)
    return np.array([turned, turned, turned, mirrored, inverted], np.float32)


def answers(served: keras.Model, pictures: Floats) -> Floats:
    """The network's answers: (images, side, side) -> (images, columns)."""
    return np.asarray(served.predict(pictures[..., None], batch_size=256, verbose=0))


def orientation_figures(
    served: keras.Model, judged: Pictures, times: int, seed: int
) -> dict[str, Any]:
    """What the thresholds cost and what they recognise, per source.

    Parameters
    ----------
    served : keras.Model
        As :func:`above_thresholds` gives it.
    judged : Pictures
        Of the held-out fold.
    times, seed : int
        Resamples of groups behind each interval, and their seed.

    Returns
    -------
    dict
        Source -> ``proper_refused``, and per fault the share that is refused; intervals.
    """
    figures: dict[str, Any] = {}
    for source in sorted({row.source for row in judged.rows}):
        part = judged.of(lambda row, source=source: row.source == source)  # type: ignore[misc]
        groups = np.array([row.group for row in part.rows], str)
        values = part.values.astype(np.float32) / np.float32(255)
        found = {"proper_refused": _refused(served, values)}
        for key, fault in MADE.items():
            found[key] = _refused(served, np.stack([faulty(one, *fault) for one in values]))
        figures[source] = {
            k: rate(hits, groups, times, seed).as_json() for k, hits in found.items()
        }
    return figures


def _refused(served: keras.Model, values: Floats) -> NDArray[np.bool_]:
    return np.asarray((answers(served, values) > 0).any(axis=1))


def tables(figures: dict[str, Any]) -> list[str]:
    """Markdown for the model card."""
    names = ("proper_refused", *(fault.key for fault in FAULTS))
    head = ("source", "proper, refused", *(fault.key.replace("_", " ") for fault in FAULTS), "n")
    lines = []
    for source, found in figures["held_out"].items():
        n = found["proper_refused"]
        cells = (f"{found[name]['value']:.3f}" for name in names)
        lines.append((source, *cells, f"{n['images']} / {n['groups']}"))
    return [
        "**Orientation** (held-out fold: share of proper images refused, and of images that were "
        "turned, mirrored or inverted for the test)",
        table(head, lines),
    ]
