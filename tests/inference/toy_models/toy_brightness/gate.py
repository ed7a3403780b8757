"""What only the toy minds."""

from inference.images import Image
from inference.model_folder import GateResult
from inference.prediction import Reason


def check(image: Image) -> GateResult:
    """Refuse images wider than three times their height."""
    rows, columns = image.pixels.shape
    if columns > 3 * rows:
        return GateResult(reasons=(Reason("too_wide", "The toy reads no panoramas."),))
    return GateResult()
