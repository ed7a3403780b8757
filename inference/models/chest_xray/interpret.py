"""The classifier's outputs in the model's terms, and the gate behind it: unlike all training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.model import interpret_outputs
from inference.model_folder import Interpreted, Prepared
from inference.prediction import Reason

from .facts import FACTS

_FOLDER = Path(__file__).parent
_TRAINED: dict[str, Any] = json.loads((_FOLDER / "trained.json").read_text("utf-8"))

# Places of the outputs in the network file.
_DISTANCE = 2


def interpret(prepared: Prepared, outputs: tuple[NDArray[np.float32], ...]) -> Interpreted:
    """Probabilities, map, and whether the image is like those that the network has learned from.

    Parameters
    ----------
    prepared : Prepared
        What the classifier was shown.
    outputs : tuple of numpy.ndarray
        ``probabilities`` (n, classes), ``activation`` (n, h, w) and, from networks that have it,
        ``distance`` (n, 1).
    """
    del prepared
    generic = interpret_outputs(FACTS, outputs[:_DISTANCE])
    return Interpreted(
        generic.classes,
        generic.heat_map,
        reasons=unlike_training(outputs, _TRAINED.get("novelty")),
    )


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
