"""Pictures for the reading page: the first paint, the values for windowing, the heat map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference.errors import PixelError
from inference.images import Image
from inference.prediction import Box, Prediction

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

# At full activation the image must still be seen through the map.
_MOST_OPAQUE = 0.75


@dataclass(frozen=True)
class Values:
    """Stored values for window and level in the browser.

    Attributes
    ----------
    data
        uint16, little endian, rows x columns, row after row.
    window_centre, window_width
        In units of `data`; what the first paint shows.
    inverted
        True where a high value is drawn dark.
    """

    rows: int
    columns: int
    data: bytes
    window_centre: float
    window_width: float
    inverted: bool


def display_jpeg(image: Image, longest_side: int = 1024, quality: int = 90) -> bytes:
    """Encode what the image shows as a grey JPEG, never enlarged."""
    small = _shrunk(image.pixels, longest_side)
    levels = np.round(np.clip(small, 0.0, 1.0) * 255).astype(np.uint8)
    return _encoded(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def display_values(image: Image, longest_side: int = 1024) -> Values:
    """Return the stored values, never enlarged, and the window that the first paint used."""
    small = _shrunk(image.stored, longest_side)
    rows, columns = small.shape
    centre, width = image.window
    data = small.astype("<u2").tobytes()
    return Values(rows, columns, data, centre, width, image.inverted)


def heat_map_png(prediction: Prediction, shape: tuple[int, int]) -> bytes:
    """Draw the heat map as an RGBA picture of the whole image.

    Each cell of the map is one flat rectangle: the network saw nothing finer, and a smooth blob
    would pretend that it did. Opacity is the activation on the model's absolute scale, so a weak
    map stays faint. Outside the model's box all is transparent.

    Parameters
    ----------
    shape
        Rows and columns of the picture to draw.

    Raises
    ------
    PixelError
        The prediction has no heat map.
    """
    if prediction.heat_map is None:
        raise PixelError("A heat map must be there to be drawn; this prediction has none.")
    rows, columns = shape
    across_cells = _cell_of(columns, prediction.heat_map_box, prediction.heat_map.shape[1], axis=1)
    down_cells = _cell_of(rows, prediction.heat_map_box, prediction.heat_map.shape[0], axis=0)
    # One more row and column of nothing: cell -1, outside the box, picks them.
    cells = np.pad(np.clip(prediction.heat_map, 0.0, 1.0), ((0, 1), (0, 1)))
    drawn = _coloured(cells)[down_cells[:, np.newaxis], across_cells[np.newaxis, :]]
    return _encoded(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, 6])


def _cell_of(length: int, box: Box, cells: int, *, axis: int) -> NDArray[np.int64]:
    """Return for each pixel along one axis the cell over its middle, or -1 outside the box."""
    first, last = box[axis], box[axis + 2]
    middle = (np.arange(length) + 0.5) / length
    cell = np.floor((middle - first) / max(last - first, 1e-9) * cells).astype(np.int64)
    return np.where((cell >= 0) & (cell < cells), cell, -1)


def _coloured(cells: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Yellow to red, in OpenCV's order (blue, green, red, alpha); 0 is transparent."""
    strength = cells.astype(np.float32)
    none, full = np.zeros_like(strength), np.full_like(strength, 255)
    channels = (none, 220 * (1 - strength), full, full * strength * _MOST_OPAQUE)
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


def _shrunk(values: NDArray[Any], longest_side: int) -> NDArray[Any]:
    rows, columns = values.shape
    factor = longest_side / max(rows, columns)
    if factor >= 1:
        return values
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    small: NDArray[Any] = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return small


def _encoded(kind: str, picture: NDArray[Any], parameters: list[int]) -> bytes:
    done, data = cv2.imencode(kind, picture, parameters)
    if not done:
        raise PixelError(f"A picture must be encodable as {kind}; OpenCV refused it.")
    return data.tobytes()
