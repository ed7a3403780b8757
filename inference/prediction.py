"""What a model answers. Imports nothing heavy, so that the web process may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Top, left, bottom, right as fractions (0..1) of the whole image."""

WHOLE_IMAGE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Reason:
    """Why something was not read, or what to bear in mind: a stable code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered, exactly enough to repeat the answer."""

    name: str
    title: str
    version: str
    weights_sha256: str
    prepare_version: str
    runtime: str


@dataclass(frozen=True)
class Prediction:
    """The answer for one image out of those offered.

    Attributes
    ----------
    status
        "ok", or "cannot_read": then `reasons` says why and there is no number.
    probability
        Of the model's target class, 0..1.
    positive
        Probability at or above the balanced operating point.
    classes
        Probability per class key, in the model's order.
    interval
        Lower and upper bound of the probability where the model gives one.
    cautions
        What was unknown or unusual although the image was read.
    image_index
        Which of the offered images was read (0 when none was).
    heat_map
        float32, shape (cells high, cells wide), 0..1 on the model's absolute scale: a weak map
        stays weak. It covers `heat_map_box`.
    timings_ms
        Milliseconds per step.
    """

    status: Literal["ok", "cannot_read"]
    model: ModelIdentity
    probability: float | None = None
    positive: bool | None = None
    classes: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    reasons: tuple[Reason, ...] = ()
    cautions: tuple[Reason, ...] = ()
    image_index: int = 0
    heat_map: NDArray[np.float32] | None = None
    heat_map_box: Box = WHOLE_IMAGE
    timings_ms: Mapping[str, float] = field(default_factory=dict)
