"""A running average of a network's weights over the later part of training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EVERY_STEPS = 5


class RunningAverage:
    """Averages weights while they are trained (Polyak 1992); a decay of 0 turns it off.

    Parameters
    ----------
    decay : float
        0..1: share of the old average that is kept at each look.
    first_step : int
        Looks begin here, once the weights are no longer far from where they end.
    """

    def __init__(self, decay: float, first_step: int) -> None:
        self._decay = decay
        self._first_step = first_step
        self.arrays: list[NDArray[Any]] = []

    def look(self, model: Any, step: int) -> None:
        """Take the weights in, every few steps."""
        if not self._decay or step < self._first_step or step % _EVERY_STEPS:
            return
        new = [np.asarray(variable).copy() for variable in model.variables]
        if not self.arrays:
            self.arrays = new
            return
        kept = self._decay
        self.arrays = [
            (kept * old + (1 - kept) * now).astype(now.dtype)
            for old, now in zip(self.arrays, new, strict=True)
        ]

    def put_into(self, model: Any) -> None:
        """Set the averaged weights; without any look the model stays as it is."""
        if not self.arrays:
            return
        for variable, value in zip(model.variables, self.arrays, strict=True):
            variable.assign(value)
