"""Is the picture upright, not mirrored, and not inverted? A small network looks before reading.

Files lose their header, are photographed from a screen or exported by hand. A turned or inverted
chest gives a number that means nothing; a mirrored one has its heart on the wrong side. The
thresholds lie in the network: it answers how far each fault's log-odds lie above the threshold
that training chose, so that weights and thresholds cannot be mixed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from inference.model_folder import Network

Floats = NDArray[np.float32]

# Role of the network in ModelFacts.networks.
ROLE = "orientation"
ORIENTATION_SIDE = 96


@dataclass(frozen=True)
class Fault:
    """One way in which a picture can lie wrong, in the order of the network's output."""

    key: str
    code: str
    sentence: str


_UPRIGHT = "The model reads upright frontal views; this image looks "
FAULTS = (
    Fault("turned_left", "looks_turned", f"{_UPRIGHT}turned a quarter to the left."),
    Fault("upside_down", "looks_turned", f"{_UPRIGHT}as if it stood upside down."),
    Fault("turned_right", "looks_turned", f"{_UPRIGHT}turned a quarter to the right."),
    Fault(
        "mirrored",
        "looks_mirrored",
        "The image looks mirrored (or the heart lies on the right): the model reads views with the "
        "patient's left at the right edge.",
    ),
    Fault(
        "inverted",
        "looks_inverted",
        "The image looks inverted, with air white and bone black; the model reads the usual grey "
        "scale.",
    ),
)


def orientation_input(part: Floats) -> Floats:
    """The trimmed picture as the network wants it.

    Parameters
    ----------
    part : numpy.ndarray
        float32, shape (rows, columns), 0 = black, 1 = white; see ``prepare.trimmed``.

    Returns
    -------
    numpy.ndarray
        float32, shape (1, ORIENTATION_SIDE, ORIENTATION_SIDE, 1), 1st to 99th percentile as 0..1.
    """
    size = (ORIENTATION_SIDE, ORIENTATION_SIDE)
    smaller = min(part.shape) > ORIENTATION_SIDE
    resized: Any = cv2.resize(
        part, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    low, high = np.percentile(resized, (1, 99))
    stretched = np.clip((resized - low) / max(float(high - low), 1e-3), 0, 1)
    return np.asarray(stretched, np.float32)[None, :, :, None]


def find_fault(part: Floats, network: Network) -> Fault | None:
    """How the picture lies wrong, or None.

    Parameters
    ----------
    part : numpy.ndarray
        The trimmed working picture, float32, shape (rows, columns), 0..1.
    network : Network
        (1, ORIENTATION_SIDE, ORIENTATION_SIDE, 1) -> (1, faults): log-odds above the threshold, in
        the order of ``FAULTS``.

    Returns
    -------
    Fault or None
        One of several: which side is which can be told of an upright picture only, and what is up
        only with air black.
    """
    excess = network.run(orientation_input(part))[0][0]
    for kind in ("looks_inverted", "looks_turned", "looks_mirrored"):
        numbers = [n for n, fault in enumerate(FAULTS) if fault.code == kind and excess[n] > 0]
        if numbers:
            return FAULTS[max(numbers, key=lambda n: float(excess[n]))]
    return None


def righted(picture: Floats, fault: Fault) -> Floats:
    """The picture with the fault undone, to look whether a chest comes out.

    Parameters
    ----------
    picture : numpy.ndarray
        float32, shape (rows, columns), 0..1.
    fault : Fault
        As :func:`find_fault` gives it.
    """
    quarters = {"turned_left": 3, "upside_down": 2, "turned_right": 1}
    turned = np.rot90(picture, quarters.get(fault.key, 0))
    if fault.key == "mirrored":
        turned = turned[:, ::-1]
    return np.ascontiguousarray(1 - turned if fault.key == "inverted" else turned, np.float32)
