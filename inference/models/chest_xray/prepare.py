"""From a decoded chest X-ray to the classifier's input; the same code trains and serves.

The border is cut off, a small network marks the lungs, and only their convex hull is kept: cropped
to the lung box, equalised by the hull's own histogram, flat grey outside, brought to one common
sharpness. What a hospital writes around the lungs (letters, frames, resolution, grey curve) would
otherwise give the source away, and the source gives the label away (DeGrave 2021).
Only numpy and OpenCV are used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.model_folder import Prepared, Refusal
from inference.prediction import Reason

from .lung_box import Finder, Lungs, NoLungs, find_lungs, resized, trimmed, working_picture
from .orientation import ROLE, Fault, find_fault, righted

if TYPE_CHECKING:
    from inference.images import Image
    from inference.model_folder import Networks

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Bump whenever the classifier's input changes for any picture: thresholds are bound to it.
PREPARE_VERSION = "1"

INPUT_SIDE = 160
# The coarsest source has about this many pixels across the lungs; all others come down to it.
SHARPNESS_SIDE = 104
GREY = 0.5
# Cells of the classifier's map along a side.
_CELLS = 4


@dataclass(frozen=True)
class Crop:
    """The lung box before the outside is greyed.

    Attributes
    ----------
    equalised : numpy.ndarray
        uint8, shape (INPUT_SIDE, INPUT_SIDE), equalised by the histogram inside the hull.
    hull : numpy.ndarray
        uint8, same shape, 255 inside the lungs' convex hull.
    """

    equalised: Bytes
    hull: Bytes


def prepare(image: Image, networks: Networks) -> Prepared | Refusal:
    """What the classifier is shown of an image, or why it is not shown anything.

    Parameters
    ----------
    image : inference.images.Image
        A decoded radiograph.
    networks : mapping
        Role ``"lungs"`` is the lung finder; ``"orientation"`` tells how a picture lies.

    Returns
    -------
    Prepared or Refusal
        ``array`` is float32, shape (1, INPUT_SIDE, INPUT_SIDE, 1), 0..1; ``box`` is the lung box.
    """
    picture = working_picture(image.pixels)

    def finder(array: Floats) -> Floats:
        return networks["lungs"].run(array)[0]

    fault = _fault(picture, networks)
    try:
        lungs = find_lungs(picture, finder)
    except NoLungs as reason:
        # A turned or inverted chest hardly shows lungs. Put right it does; a hip does not.
        if fault and _shows_lungs(righted(picture, fault), finder):
            return Refusal((Reason(fault.code, fault.sentence),))
        return Refusal((Reason(reason.code, reason.sentence),))
    if fault:
        return Refusal((Reason(fault.code, fault.sentence),))
    array = compose(crop(picture, lungs))[None, :, :, None]
    return Prepared(array, lungs.box, organ=widened(lungs_in_box(lungs, picture.shape)))


def _fault(picture: Floats, networks: Networks) -> Fault | None:
    """How the picture lies wrong; weights without the network that tells it judge nothing."""
    if (network := networks.get(ROLE)) is None:
        return None
    top, left, bottom, right = trimmed(picture)
    return find_fault(picture[top:bottom, left:right], network)


def _shows_lungs(picture: Floats, finder: Finder) -> bool:
    try:
        find_lungs(picture, finder)
    except NoLungs:
        return False
    return True


def crop(picture: Floats, lungs: Lungs) -> Crop:
    """Cut out the lung box and equalise it by the histogram inside the hull."""
    rows, columns = picture.shape
    inside = np.zeros((rows, columns), np.uint8)
    cv2.fillConvexPoly(inside, lungs.hull, 255)
    top, bottom = round(lungs.box[0] * rows), round(lungs.box[2] * rows)
    left, right = round(lungs.box[1] * columns), round(lungs.box[3] * columns)
    part = picture[top:bottom, left:right]
    size = (INPUT_SIDE, INPUT_SIDE)
    levels = np.clip(np.rint(resized(part, size) * 1023), 0, 1023).astype(np.int32)
    cut = cv2.resize(inside[top:bottom, left:right], size, interpolation=cv2.INTER_NEAREST)
    hull = np.asarray(cut, np.uint8)
    counts = np.bincount(levels[hull > 0], minlength=1024).cumsum()
    table = counts * (255.0 / max(int(counts[-1]), 1))
    return Crop(np.rint(table[levels]).astype(np.uint8), hull)


def lungs_in_box(lungs: Lungs, shape: tuple[int, ...]) -> Bytes:
    """The marked lungs in the coordinates of the classifier's input.

    Returns
    -------
    numpy.ndarray
        uint8, shape (INPUT_SIDE, INPUT_SIDE), 1 = lung.
    """
    top, left, bottom, right = lungs.part
    whole = np.zeros(shape, np.uint8)
    size = (right - left, bottom - top)
    whole[top:bottom, left:right] = cv2.resize(lungs.mask, size, interpolation=cv2.INTER_NEAREST)
    rows, columns = shape
    y0, y1 = round(lungs.box[0] * rows), round(lungs.box[2] * rows)
    x0, x1 = round(lungs.box[1] * columns), round(lungs.box[3] * columns)
    side = (INPUT_SIDE, INPUT_SIDE)
    cut = cv2.resize(whole[y0:y1, x0:x1], side, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cut, np.uint8)


def widened(marked: Bytes) -> Floats:
    """The lungs, widened by half a cell of the map, which is too coarse to end at an edge.

    Parameters
    ----------
    marked : numpy.ndarray
        As :func:`lungs_in_box` gives it.

    Returns
    -------
    numpy.ndarray
        float32, same shape, 0 or 1.
    """
    width = INPUT_SIDE // _CELLS | 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.dilate(marked, around), np.float32)


def compose(part: Crop, sharpness: int = SHARPNESS_SIDE) -> Floats:
    """Grey the outside of the hull and bring the picture to one sharpness.

    Returns
    -------
    numpy.ndarray
        float32, shape (INPUT_SIDE, INPUT_SIDE), 0..1.
    """
    values = np.where(part.hull > 0, part.equalised, np.uint8(round(GREY * 255)))
    coarse = cv2.resize(values, (sharpness, sharpness), interpolation=cv2.INTER_AREA)
    fine = cv2.resize(coarse, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR)
    return fine.astype(np.float32) / np.float32(255)
