"""A drawn chest: grey values that look enough like a radiograph to judge a page by, of nobody."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

ROWS, COLUMNS = 512, 480
CENTRE, WIDTH = 2048, 3000


def _ellipse(
    centre: tuple[float, float], radii: tuple[float, float], softness: float
) -> np.ndarray:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    y, x = y / ROWS, x / COLUMNS
    distance = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
    return 1 / (1 + np.exp((distance - 1) / softness))


@cache
def values() -> np.ndarray:
    """Stored values, uint16, (rows, columns), 0 to 4095, bright where the body absorbs."""
    body = _ellipse((0.5, 0.6), (0.47, 0.6), 0.02)
    lungs = _ellipse((0.3, 0.48), (0.15, 0.3), 0.06) + _ellipse((0.7, 0.48), (0.15, 0.3), 0.06)
    heart = _ellipse((0.56, 0.62), (0.14, 0.15), 0.08)
    spine = _ellipse((0.5, 0.5), (0.035, 0.7), 0.2)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    ribs = 0.07 * np.sin(24 * y / ROWS * np.pi / 2 + 3 * np.abs(x / COLUMNS - 0.5)) ** 8
    picture = 0.62 * body - 0.42 * np.clip(lungs, 0, 1) + 0.22 * heart + 0.18 * spine + ribs * body
    return (np.clip(picture, 0, 1) * 4095).astype(np.uint16)


def values_bytes() -> bytes:
    return values().astype("<u2").tobytes()


@cache
def jpeg() -> bytes:
    """What the server would draw first: the values at their own window."""
    grey = np.clip((values().astype(float) - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5, 0, 1) * 255
    return cv2.imencode(".jpg", grey.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


@cache
def heat_map_png() -> bytes:
    """An opaque red square over the left lower quarter, transparent elsewhere."""
    rgba = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    rgba[ROWS // 2 : ROWS * 3 // 4, COLUMNS // 8 : COLUMNS * 3 // 8] = (0, 0, 255, 255)
    return cv2.imencode(".png", rgba)[1].tobytes()
