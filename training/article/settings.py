"""The article's numbers, and what was chosen where it is silent."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = ("covid", "normal", "viral")
TARGET = "covid"


@dataclass(frozen=True)
class Settings:
    """Network, training and split of the article; the defaults are its own.

    Attributes
    ----------
    side : int
        Side of the square input in pixels; 171 or more for the 4x4 pooling.
    units, dropout : int, float
        The dense layer before the last one, and the share of it that is dropped in training.
    rate : float
        Learning rate of Adam, constant.
    batch, epochs : int
        Images a step; passes over the training images.
    rotation : float
        Each training image is turned by up to this many degrees to either side.
    held_out : float
        Share of the training folder that validates.
    split_seed : int
        Of scikit-learn's ``train_test_split``, stratified by class.
    eager : bool
        Run step by step instead of compiled: quicker for a run of a few steps only.
    resamples : int
        Of the bootstrap behind each interval.
    """

    side: int = 256
    units: int = 64
    dropout: float = 0.5
    rate: float = 1e-5
    batch: int = 8
    epochs: int = 50
    rotation: float = 15.0
    held_out: float = 0.2
    split_seed: int = 42
    eager: bool = False
    resamples: int = 1000


@dataclass(frozen=True)
class Repetition:
    """One training of the article's network.

    Attributes
    ----------
    seed : int
        Of the new layers' first weights, the order of images, their angles and the dropout.
    without_leak : bool
        Leave out the training images of patients who are in the test folder as well.
    """

    seed: int
    without_leak: bool = False

    @property
    def name(self) -> str:
        """Names its folders."""
        return f"seed-{self.seed}" + ("-without-leak" if self.without_leak else "")


def repetitions(seeds: int, without_leak: int) -> tuple[Repetition, ...]:
    """First as published with seeds 1, 2, ..., then without the leaking patient."""
    return (
        *(Repetition(seed) for seed in range(1, seeds + 1)),
        *(Repetition(seed, without_leak=True) for seed in range(1, without_leak + 1)),
    )
