"""Section ``[children]`` of ``training.toml``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChildrenSettings:
    """Fine-tuning of the children's network; what is not here is as in ``[classifier]``.

    Attributes
    ----------
    source : str
        The one set of images of children.
    epochs, batch, warm_up_steps : int
        Passes over the training images, images a step, steps until the full learning rate.
    learning_rate, weight_decay, label_smoothing : float
        Labels are noisy: smoothing keeps the network from learning each of them by heart.
    degraded : float
        Share of the drawn pictures that get another history of compression and sharpening.
    averaging : float
        Decay of the running average of the weights over the second half; 0 turns it off.
    """

    source: str
    epochs: int
    batch: int
    learning_rate: float
    warm_up_steps: int
    weight_decay: float
    label_smoothing: float
    degraded: float
    averaging: float
