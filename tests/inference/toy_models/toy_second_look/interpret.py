"""Say more than the probabilities: interval, extent, and that an image is unlike all others."""

from dataclasses import replace

import numpy as np

from inference.model import interpret_outputs
from inference.model_folder import Interpreted, Prepared
from inference.prediction import Extent, Measure, Reason

from .facts import FACTS

_TILES = Reason("chequered", "Single bright cells are unlike every image of the training.")


def interpret(prepared: Prepared, outputs: tuple[np.ndarray, ...]) -> Interpreted:
    """Refuse a chequerboard; count the bright cells as the extent."""
    plain = interpret_outputs(FACTS, outputs)
    probability = plain.classes[FACTS.target]
    bright = float((prepared.array > 0.5).sum())
    steps = np.abs(np.diff(prepared.array, axis=-1)).mean()
    return replace(
        plain,
        interval=(max(0.0, probability - 0.1), min(1.0, probability + 0.1)),
        extent=Extent(3, "extensive", (Measure("cells", "Bright cells", bright, 64, 2.0),)),
        reasons=(_TILES,) if steps > 0.5 else (),
    )
