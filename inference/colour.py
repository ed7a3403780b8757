"""Colour images: their luminance, and whether they are really coloured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from inference.images import DicomFacts, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Grey pictures saved as colour JPEG differ between channels by a few levels; a coloured marker or
# label covers little. A photograph of a film on a light box, of a screen or of a face covers a lot.
_CHANNELS_DIFFER = 24 / 255
_COLOURED_SHARE = 0.02


def from_rgb(
    rgb: NDArray[Any],
    *,
    source: Literal["dicom", "picture"],
    frames: int = 1,
    spacing_mm: tuple[float, float] | None = None,
    facts: DicomFacts | None = None,
) -> Image:
    """Make an image from colours.

    Parameters
    ----------
    rgb
        Unsigned integers, shape (rows, columns, 3), red first.
    """
    coloured = is_coloured(rgb)
    grey = cv2.cvtColor(np.ascontiguousarray(_at_most_16_bits(rgb)), cv2.COLOR_RGB2GRAY)
    return from_grey(
        grey, source=source, frames=frames, spacing_mm=spacing_mm, facts=facts, colour=coloured
    )


def from_grey(
    grey: NDArray[Any],
    *,
    source: Literal["dicom", "picture"],
    frames: int = 1,
    spacing_mm: tuple[float, float] | None = None,
    facts: DicomFacts | None = None,
    colour: bool = False,
) -> Image:
    """Make an image from uint8 or uint16 values, shape (rows, columns), 0 = black."""
    top = float(np.iinfo(grey.dtype).max)
    return Image(
        pixels=grey.astype(np.float32) / np.float32(top),
        stored=grey.astype(np.uint16),
        window=((top + 1) / 2, top + 1),
        inverted=False,
        colour=colour,
        frames=frames,
        source=source,
        spacing_mm=spacing_mm,
        facts=facts,
    )


def is_coloured(rgb: NDArray[Any]) -> bool:
    """Tell colour from grey stored as RGB, judged on at most about 512 x 512 pixels."""
    step = max(1, max(rgb.shape[:2]) // 512)
    sample = rgb[::step, ::step].astype(np.float32) / float(np.iinfo(rgb.dtype).max)
    difference = sample.max(axis=2) - sample.min(axis=2)
    return bool((difference > _CHANNELS_DIFFER).mean() > _COLOURED_SHARE)


def _at_most_16_bits(rgb: NDArray[Any]) -> NDArray[Any]:
    if rgb.dtype in (np.uint8, np.uint16):
        return rgb
    return (rgb >> (8 * rgb.dtype.itemsize - 16)).astype(np.uint16)
