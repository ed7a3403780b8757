"""From stored values to what is displayed: the grey-scale pipeline of DICOM, on a table.

At most 65,536 different values occur, so each step is computed once per value instead of once per
pixel: modality, window and inversion of a 4-megapixel image cost one look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from inference.colour import from_rgb
from inference.dicom_pixels import Frame
from inference.errors import PixelError
from inference.images import DicomFacts, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    Floats = NDArray[np.float64]

_LEVELS = 65_536


@dataclass(frozen=True)
class _Levels:
    """A frame as positions in a table: `meaning[index]` are the stored values."""

    index: NDArray[np.uint16]
    meaning: NDArray[Any]


@dataclass(frozen=True)
class _Shown:
    """What a table of values looks like: 0..1 before inversion, and the window that does it."""

    light: Floats
    centre: float
    width: float


def display(frame: Frame, dataset: Dataset, facts: DicomFacts | None) -> Image:
    """Bring a frame to the display scale.

    Returns
    -------
    Image
        With `pixels` after Modality LUT, VOI LUT or window, and MONOCHROME1 inversion; padding is
        black.

    References
    ----------
    DICOM PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (Photometric Interpretation),
    C.7.5.1.1.2 (Pixel Padding); PS3.4 N.2 (order of the steps).
    """
    frames, spacing = frame.claims.frames, _spacing(dataset)
    if frame.values.ndim == 3 or frame.claims.photometric == "PALETTE COLOR":
        rgb = frame.values if frame.values.ndim == 3 else _palette(frame.values, dataset)
        return from_rgb(rgb, source="dicom", frames=frames, spacing_mm=spacing, facts=facts)
    levels = _levels(frame.values)
    modality = _modality(levels.meaning, dataset)
    padding, seen = _padding_and_seen(levels, dataset, frame.claims.signed)
    shown = _voi(modality, seen, dataset)
    inverted = frame.claims.photometric == "MONOCHROME1"
    light = 1.0 - shown.light if inverted else shown.light
    light[padding] = 0.0
    stored, offset, scale = _as_uint16(modality, padding, seen, inverted=inverted)
    return Image(
        pixels=light.astype(np.float32)[levels.index],
        stored=stored[levels.index],
        window=((shown.centre - offset) / scale, shown.width / scale),
        inverted=inverted,
        colour=False,
        frames=frames,
        source="dicom",
        spacing_mm=spacing,
        facts=facts,
    )


def _levels(values: NDArray[Any]) -> _Levels:
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    if values.dtype.kind in "iu" and int(high) - int(low) < _LEVELS:
        first, last = int(low), int(high)
        # The difference may overflow a signed type, but not the unsigned one of its size.
        unsigned = np.dtype(f"u{values.dtype.itemsize}")
        index = (values - low).view(unsigned).astype(np.uint16, copy=False)
        return _Levels(index, np.arange(first, last + 1))
    meaning = np.linspace(float(low), float(high), _LEVELS)
    step = (float(high) - float(low)) / (_LEVELS - 1) or 1.0
    return _Levels(np.round((values - float(low)) / step).astype(np.uint16), meaning)


def _occurring(levels: _Levels) -> NDArray[np.bool_]:
    """Tell which values of the table occur in the image: it also holds those in between."""
    occurs = np.zeros(levels.meaning.shape, dtype=np.bool_)
    occurs[levels.index] = True
    return occurs


def _modality(meaning: NDArray[Any], dataset: Dataset) -> Floats:
    """Apply the Modality LUT sequence or the rescale slope and intercept."""
    values = apply_modality_lut(meaning, dataset)
    result: Floats = np.asarray(values, dtype=np.float64)
    if not np.isfinite(result).all():
        raise PixelError("RescaleSlope and RescaleIntercept must be finite; they are not.")
    return result


def _padding_and_seen(
    levels: _Levels, dataset: Dataset, signed: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which values of the table are padding, and which occur and are not."""
    padding, occurs = _is_padding(levels.meaning, dataset, signed), _occurring(levels)
    if not (occurs & ~padding).any():
        # Padding everywhere would blank the image: it cannot be meant.
        return np.zeros_like(padding), occurs
    return padding, occurs & ~padding


def _is_padding(meaning: NDArray[Any], dataset: Dataset, signed: bool) -> NDArray[np.bool_]:
    """Tell which stored values are PixelPaddingValue, or in the range up to its limit."""
    first, last = (
        _as_pixel(dataset.get(keyword), signed)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
    )
    if first is None:
        return np.zeros(meaning.shape, dtype=np.bool_)
    low, high = sorted((first, first if last is None else last))
    padding: NDArray[np.bool_] = (meaning >= low) & (meaning <= high)
    return padding


def _as_pixel(value: Any, signed: bool) -> int | None:
    """Return a US or SS value; writers confuse the two, so bring it to the pixels' own sign."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    if signed and number > 0x7FFF:
        return number - 0x10000
    return number + 0x10000 if number < 0 and not signed else number


def _voi(modality: Floats, seen: NDArray[np.bool_], dataset: Dataset) -> _Shown:
    """Use the VOI LUT sequence, else the first window, else the whole range of values seen."""
    for candidate in (_voi_lut(modality, dataset), _window(modality, dataset)):
        # A window far from all values would show a blank image: such headers exist.
        if candidate is not None and np.ptp(candidate.light[seen]) > 0:
            return candidate
    low, high = float(modality[seen].min()), float(modality[seen].max())
    width = high - low or 1.0
    light = np.clip((modality - low) / width, 0.0, 1.0)
    return _Shown(light, (low + high) / 2, width)


def _voi_lut(modality: Floats, dataset: Dataset) -> _Shown | None:
    if not dataset.get("VOILUTSequence"):
        return None
    top = (1 << int(dataset.VOILUTSequence[0].LUTDescriptor[2])) - 1
    entries = apply_voi(np.round(modality).astype(np.int64), dataset)
    light = np.clip(np.asarray(entries, dtype=np.float64) / top, 0.0, 1.0)
    rising = modality[(light > 0.01) & (light < 0.99)]
    edge = rising if rising.size else modality
    low, high = float(edge.min()), float(edge.max())
    return _Shown(light, (low + high) / 2, max(high - low, 1.0))


def _window(modality: Floats, dataset: Dataset) -> _Shown | None:
    centre, width = (_first(dataset.get(k)) for k in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if centre is None or width is None or not np.isfinite([centre, width]).all() or width <= 0:
        return None
    if function == "LINEAR" and width < 1:
        return None
    return _Shown(windowed(modality, centre, width, function), centre, width)


def windowed(values: Floats, centre: float, width: float, function: str = "LINEAR") -> Floats:
    """Apply a window.

    Parameters
    ----------
    function
        VOILUTFunction: LINEAR (also for unknown ones), LINEAR_EXACT or SIGMOID.

    Returns
    -------
    numpy.ndarray
        float64, 0..1, the shape of `values`.

    References
    ----------
    DICOM PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
    if width == 1:
        return np.where(values > centre - 0.5, 1.0, 0.0)
    return np.clip((values - (centre - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def _first(value: Any) -> float | None:
    try:
        return float(value if isinstance(value, str | int | float) else value[0])
    except (TypeError, ValueError, IndexError):
        return None


def _as_uint16(
    modality: Floats, padding: NDArray[np.bool_], seen: NDArray[np.bool_], *, inverted: bool
) -> tuple[NDArray[np.uint16], float, float]:
    """Shift, and only if they need it scale, modality values into uint16; padding is drawn black.

    Returns
    -------
    tuple
        Table of uint16; offset and scale, so that modality = offset + scale * table.
    """
    inside = modality[seen]
    low, high = float(inside.min()), float(inside.max())
    whole = bool(np.all(inside == np.round(inside)))
    scale = 1.0 if whole and high - low < _LEVELS else (high - low) / (_LEVELS - 1) or 1.0
    table = np.clip(np.round((modality - low) / scale), 0, _LEVELS - 1)
    table[padding] = _LEVELS - 1 if inverted else 0
    return table.astype(np.uint16), low, scale


def _palette(values: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Apply the palette to each value once; returns (rows, columns, 3)."""
    levels = _levels(values)
    table: NDArray[Any] = apply_color_lut(levels.meaning.reshape(-1, 1), dataset)[:, 0, :3]
    bits: Literal[8, 16] = 8 if table.dtype.itemsize == 1 else 16
    table = table.astype(np.uint8 if bits == 8 else np.uint16)
    rgb: NDArray[Any] = table[levels.index]
    return rgb


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return spacing in the patient where known, else at the detector.

    References
    ----------
    DICOM PS3.3 10.7.1.3 (Pixel Spacing).
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = dataset.get(keyword)
        try:
            down, across = float(value[0]), float(value[1])
        except (TypeError, ValueError, IndexError):
            continue
        if 0 < down < 100 and 0 < across < 100:
            return down, across
    return None
