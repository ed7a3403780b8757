"""The classifier's outputs in the model's terms, and the gate behind it: unlike all training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.model import interpret_outputs
from inference.model_folder import Interpreted, Prepared
from inference.prediction import Extent, Reason

from .extent import extent
from .facts import FACTS
from .interval import interval

_FOLDER = Path(__file__).parent
_TRAINED: dict[str, Any] = json.loads((_FOLDER / "trained.json").read_text("utf-8"))

# Places of the outputs in the network file.
_DISTANCE, _EXTENT = 2, 3


def interpret(prepared: Prepared, outputs: tuple[NDArray[np.float32], ...]) -> Interpreted:
    """Probabilities and map; how sure, how extensive, and whether the image is like the training's.

    Parameters
    ----------
    prepared : Prepared
        What the classifier was shown.
    outputs : tuple of numpy.ndarray
        ``probabilities`` (n, classes), ``activation`` (n, h, w) and, from networks that have them,
        ``distance`` (n, 1) and ``extent`` (n, 3).
    """
    del prepared
    generic = interpret_outputs(FACTS, outputs[:_DISTANCE])
    probability = generic.classes[FACTS.target]
    return Interpreted(
        generic.classes,
        generic.heat_map,
        interval=interval(probability, _TRAINED.get("interval")),
        reasons=unlike_training(outputs, _TRAINED.get("novelty")),
        extent=_extent(probability, outputs),
    )


def _extent(probability: float, outputs: tuple[NDArray[np.float32], ...]) -> Extent | None:
    """Scores of Covid-19 images mean nothing where the answer is another."""
    if len(outputs) <= _EXTENT or probability < FACTS.operating_point.threshold:
        return None
    return extent(outputs[_EXTENT].mean(axis=0), _TRAINED.get("extent"))


def unlike_training(
    outputs: tuple[NDArray[np.float32], ...], novelty: dict[str, Any] | None
) -> tuple[Reason, ...]:
    """A reason where the image lies further from the training images than other hospitals' do.

    Parameters
    ----------
    outputs : tuple of numpy.ndarray
        As in :func:`interpret`.
    novelty : dict or None
        ``threshold`` as training chose it; None where the weights came without a distance.
    """
    if novelty is None or len(outputs) <= _DISTANCE:
        return ()
    if float(outputs[_DISTANCE].mean()) <= float(novelty["threshold"]):
        return ()
    return (
        Reason(
            "unlike_training",
            "To the network this image is unlike the adult chest X-rays that it was trained on; "
            "what it would say here has not been tested.",
        ),
    )
