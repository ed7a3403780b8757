"""For children: whether much or little of the image is lighter than the background."""

import cv2
import numpy as np

from inference.images import Image
from inference.model_folder import Networks, Prepared
from inference.prediction import Aside, Reason


def aside(image: Image, prepared: Prepared, networks: Networks) -> Aside | None:
    """Measure with the finder network; None for an image without any light part."""
    small = cv2.resize(image.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    (mask,) = networks["finder"].run(small[np.newaxis])
    share = float(mask.mean())
    if share < 0.01:
        return None
    caution = Reason("toy", "A toy's answer.")
    return Aside("full", "Full or empty", {"Full": share, "Empty": 1 - share}, (caution,))
