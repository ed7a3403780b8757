"""An instance as a picture for people: windowed, upright in brightness, at most a screen large."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from sandbox.dicomweb.errors import NotAcceptable
from sandbox.images.limits import check_claim

LONGEST_SIDE = 1600


def rendered_jpeg(source: Path | bytes, longest_side: int = LONGEST_SIDE) -> bytes:
    """Draw the first frame of an instance.

    Parameters
    ----------
    source : pathlib.Path or bytes
        Part 10 file.
    longest_side : int
        Pixels; a smaller image is not enlarged.

    Returns
    -------
    bytes
        JPEG.

    Raises
    ------
    NotAcceptable
        If the instance holds no image that can be drawn here.
    """
    try:
        dataset = pydicom.dcmread(io.BytesIO(source) if isinstance(source, bytes) else source)
        check_claim(dataset)
        picture = Image.fromarray(_eight_bits(dataset))
    except Exception as error:
        # Decoders raise whatever a damaged stream makes them trip over.
        raise NotAcceptable("This instance cannot be shown as a picture") from error
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _eight_bits(dataset: Dataset) -> NDArray[np.uint8]:
    pixels = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    if pixels.ndim == 3:
        return np.asarray(pixels if pixels.dtype == np.uint8 else _scaled(pixels), np.uint8)
    shown = _windowed(apply_modality_lut(pixels, dataset), dataset)
    return 255 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def _windowed(values: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if "VOILUTSequence" in dataset:
        return _scaled(apply_voi_lut(values, dataset, prefer_lut=True))
    if centre is None or width is None:
        return _scaled(values)
    middle, span = (
        float(v[0] if isinstance(v, list) else v) for v in (_plain(centre), _plain(width))
    )
    return _scaled(values, middle - span / 2, middle + span / 2)


def _plain(value: Any) -> Any:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value


def _scaled(
    values: NDArray[Any], low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    # Without a window: all but the darkest and brightest half per cent, so a marker of lead does
    # not turn the rest black.
    if low is None or high is None:
        low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)
