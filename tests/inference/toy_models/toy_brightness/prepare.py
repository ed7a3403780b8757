"""Find what is lighter than the background, and show that part to the classifier."""

import cv2
import numpy as np

from inference.images import Image
from inference.model_folder import Networks, Prepared, Refusal
from inference.prediction import Reason

PREPARE_VERSION = "1"
_FINDER_SIDE = 64


def prepare(image: Image, networks: Networks) -> Prepared | Refusal:
    """Cut out the box that the finder network marks; refuse where it marks nothing."""
    small = cv2.resize(image.pixels, (_FINDER_SIDE, _FINDER_SIDE), interpolation=cv2.INTER_AREA)
    (mask,) = networks["finder"].run(small[np.newaxis])
    rows, columns = np.nonzero(mask[0] > 0.5)
    if rows.size == 0:
        return Refusal((Reason("nothing_found", "Nothing light enough was found in the image."),))
    top, bottom = int(rows.min()), int(rows.max()) + 1
    left, right = int(columns.min()), int(columns.max()) + 1
    shown = cv2.resize(small[top:bottom, left:right], (8, 8), interpolation=cv2.INTER_AREA)
    box = tuple(edge / _FINDER_SIDE for edge in (top, left, bottom, right))
    return Prepared(shown[np.newaxis], box)  # (1, 8, 8)
