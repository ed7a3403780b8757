"""The sections of ``training.toml`` that belong to the gates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OrientationSettings:
    """Training of the network that tells turned, mirrored and inverted pictures.

    Attributes
    ----------
    epochs, batch : int
        An epoch shows as many pictures as there are.
    learning_rate : float
        Its peak.
    refused : float
        Share (0..1) of proper pictures of any one source that a threshold may refuse.
    """

    epochs: int
    batch: int
    learning_rate: float
    refused: float


@dataclass(frozen=True)
class NoveltySettings:
    """Distance from the training images in feature space.

    Attributes
    ----------
    components : int
        Principal components kept.
    neighbours : int
        How many nearest training images count (kNN).
    refused : float
        Share (0..1) of chest X-rays of a source left out of the reference that may be refused.
    """

    components: int
    neighbours: int
    refused: float


@dataclass(frozen=True)
class OcclusionSettings:
    """Check that the heat map means something.

    Attributes
    ----------
    images : int
        At most so many positive images, drawn at random.
    covered : float
        Share (0..1) of the map's cells that is covered.
    draws : int
        Random coverings each hottest covering is compared with.
    """

    images: int
    covered: float
    draws: int
