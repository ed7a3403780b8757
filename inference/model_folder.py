"""The types that a model folder's own modules take and return (see `inference.models`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from inference.prediction import WHOLE_IMAGE, Aside, Box, Extent, Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.images import Image


class Network(Protocol):
    """One set of weights, opened in some runtime."""

    @property
    def runtime(self) -> str:
        """Runtime, version and device, such as "onnx 1.22.0 CPU"."""

    def run(self, array: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run a batch through the network; outputs in the order of the file."""


Networks = Mapping[str, Network]
"""Role -> opened network."""


@dataclass(frozen=True)
class Prepared:
    """What the classifier is shown.

    Attributes
    ----------
    array
        float32, shape (n, *input_shape); n > 1 for several crops, whose probabilities are averaged.
    box
        The part of the image shown, on which the heat map is drawn.
    cautions
        What `prepare` noticed although the image can be read.
    organ
        float32, shape (h, w), 0..1 over `box`: where the organ is, slightly widened; 0.5 inside
        means half inside. None if `prepare` does not mark it.
    """

    array: NDArray[np.float32]
    box: Box = WHOLE_IMAGE
    cautions: tuple[Reason, ...] = ()
    organ: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Refusal:
    """`prepare` cannot read this image, for these reasons."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class GateResult:
    """A model's own first look: any reason means "cannot read"; cautions do not."""

    reasons: tuple[Reason, ...] = ()
    cautions: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Interpreted:
    """The classifier's outputs in the model's terms.

    Attributes
    ----------
    classes
        Probability per class key.
    heat_map
        float32, shape (cells high, cells wide), 0..1 on an absolute scale, or None.
    interval
        Lower and upper bound of the target's probability, 0..1.
    reasons
        Any of them means "cannot read", although the networks gave numbers: the image is unlike
        every one of the training, for example. The next image of the study is tried.
    extent
        Radiographic extent; it is shown with a positive answer only.
    """

    classes: Mapping[str, float]
    heat_map: NDArray[np.float32] | None = None
    interval: tuple[float, float] | None = None
    cautions: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()
    extent: Extent | None = None


class Prepare(Protocol):
    """`prepare.prepare` of a model folder."""

    def __call__(self, image: Image, networks: Networks) -> Prepared | Refusal:
        """Turn an image into what the classifier is shown, or refuse it."""


class Check(Protocol):
    """`gate.check` of a model folder (optional)."""

    def __call__(self, image: Image) -> GateResult:
        """Look at the image before anything is computed."""


class Interpret(Protocol):
    """`interpret.interpret` of a model folder (optional)."""

    def __call__(self, prepared: Prepared, outputs: tuple[NDArray[np.float32], ...]) -> Interpreted:
        """Turn the classifier's outputs into probabilities and a heat map."""


class AnswerAside(Protocol):
    """`aside.aside` of a model folder (optional)."""

    def __call__(self, image: Image, prepared: Prepared, networks: Networks) -> Aside | None:
        """Answer another question about an image that is refused for the patient's age alone."""
