"""The training loop: epochs, learning rate, a checkpoint after every epoch, resuming."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.averaging import RunningAverage

log = logging.getLogger(__name__)
Batch = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Schedule:
    """Learning rate: linear warm-up, then half a cosine down to a hundredth.

    Attributes
    ----------
    peak : float
        Highest learning rate.
    warm_up_steps, total_steps : int
        In optimizer steps.
    """

    peak: float
    warm_up_steps: int
    total_steps: int

    def rate(self, step: int) -> float:
        """Learning rate of one step, counted from 0."""
        if step < self.warm_up_steps:
            return self.peak * (step + 1) / self.warm_up_steps
        done = (step - self.warm_up_steps) / max(1, self.total_steps - self.warm_up_steps)
        return self.peak * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done)))))


class Checkpoint:
    """Every variable of model and optimizer after the last finished epoch, in one file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    average : RunningAverage, optional
        Kept in the same file.
    """

    def __init__(self, path: Path, average: RunningAverage | None = None) -> None:
        self.path = path
        self._average = average

    def save(self, model: keras.Model, epoch: int) -> None:
        """Replace the file at once, so that a killed run leaves the older one whole."""
        arrays: dict[str, Any] = {
            f"v{i:05d}": np.asarray(v) for i, v in enumerate(_variables(model))
        }
        if self._average is not None:
            arrays |= {f"a{i:05d}": a for i, a in enumerate(self._average.arrays)}
        partial = self.path.with_suffix(".partial.npz")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(partial, epoch=epoch, **arrays)
        partial.replace(self.path)

    def restore(self, model: keras.Model) -> int:
        """Set the variables; the number of finished epochs, 0 where there is no file."""
        if not self.path.exists():
            return 0
        with np.load(self.path, allow_pickle=False) as stored:
            for i, variable in enumerate(_variables(model)):
                variable.assign(stored[f"v{i:05d}"])
            if self._average is not None:
                names = sorted(name for name in stored.files if name.startswith("a"))
                self._average.arrays = [stored[name] for name in names]
            return int(stored["epoch"])


def _variables(model: keras.Model) -> list[Any]:
    # Metrics are left out: they are reset at the start of every epoch.
    return [*model.variables, *model.optimizer.variables]


def fit(
    model: keras.Model,
    batches: Callable[[int], Iterator[Batch]],
    schedule: Schedule,
    epochs: int,
    checkpoint: Checkpoint,
    after_epoch: Callable[[int, float], None],
    average: RunningAverage | None = None,
) -> None:
    """Train a compiled model, going on where the checkpoint ends.

    Parameters
    ----------
    model : keras.Model
        Compiled; its variables are changed in place.
    batches : callable
        Epoch number -> that epoch's batches; the same number gives the same batches.
    schedule : Schedule
        Learning rate by optimizer step.
    epochs : int
        In all, finished ones included.
    checkpoint : Checkpoint
        Written after every epoch.
    after_epoch : callable
        Receives the epoch's number and its mean loss.
    average : RunningAverage, optional
        Looks at the weights after every step.
    """
    model.optimizer.build(model.trainable_variables)
    done = checkpoint.restore(model)
    for epoch in range(done, epochs):
        losses = []
        for batch in _ahead(batches(epoch)):
            model.optimizer.learning_rate = schedule.rate(int(model.optimizer.iterations))
            losses.append(float(model.train_on_batch(*batch)))
            if average is not None:
                average.look(model, int(model.optimizer.iterations))
        checkpoint.save(model, epoch + 1)
        after_epoch(epoch, float(np.mean(losses)))


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Prepare the next batch while the network works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
