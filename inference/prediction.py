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
class Measure:
    """One figure of radiographic extent.

    Attributes
    ----------
    key
        Stable name in JSON, such as "geographic_extent", "opacity" or "brixia".
    label
        Words for the clinician.
    value
        On a scale of 0..`highest`.
    error
        Mean absolute error in cross-validation, in units of `value`.
    """

    key: str
    label: str
    value: float
    highest: float
    error: float


@dataclass(frozen=True)
class Extent:
    """Radiographic extent: how much of the lungs is opaque. It is no measure of how ill one is.

    Attributes
    ----------
    level
        1, 2 or 3.
    level_label
        "limited", "moderate" or "extensive".
    measures
        What the level was made of.
    """

    level: int
    level_label: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Aside:
    """The answer to another question, where the model has no number for its target.

    Attributes
    ----------
    key
        Stable name in JSON, such as "bacterial_or_viral".
    title
        The question in the clinician's words.
    classes
        Label -> probability, 0..1. The model's target is never among them.
    cautions
        What to bear in mind with this answer.
    """

    key: str
    title: str
    classes: Mapping[str, float]
    cautions: tuple[Reason, ...] = ()


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
        Which of the offered images was read, or looked at for `aside` (0 when none was).
    heat_map
        float32, shape (cells high, cells wide), 0..1 on the model's absolute scale: a weak map
        stays weak. It covers `heat_map_box`.
    timings_ms
        Milliseconds per step.
    likelihood_ratio
        Odds of `probability` over odds of the model's reference prevalence: how much this image
        changes the odds, whatever they were before. None without a reference prevalence, and where
        the probability is exactly 1.
    outside_share
        Share (0..1) of the heat map that lies outside the organ; None where the map is empty or
        the model marks no organ.
    extent
        Only with status "ok" and `positive`.
    aside
        Only with status "cannot_read".

    Raises
    ------
    ValueError
        A number beside "cannot_read", an aside beside a number, an extent that is not of a
        positive answer.
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
    likelihood_ratio: float | None = None
    outside_share: float | None = None
    extent: Extent | None = None
    aside: Aside | None = None

    def __post_init__(self) -> None:
        read = self.status == "ok"
        if not read and (self.probability is not None or self.likelihood_ratio is not None):
            raise ValueError('a prediction with status "cannot_read" must have no number')
        if read and self.aside is not None:
            raise ValueError("an aside must stand only where there is no number for the target")
        if self.extent is not None and not (read and self.positive):
            raise ValueError("radiographic extent must stand only beside a positive answer")
