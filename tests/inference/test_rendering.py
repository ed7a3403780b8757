"""Pictures for the reading page."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from inference.errors import PixelError
from inference.images import Image, read_image
from inference.prediction import Box, ModelIdentity, Prediction
from inference.rendering import display_jpeg, display_values, heat_map_png
from tests.inference.dicom_files import chest, gradient, to_bytes

IDENTITY = ModelIdentity("m", "M", "1", "0" * 64, "1", "onnx")


@pytest.fixture
def image() -> Image:
    values = gradient(600, 300)
    return read_image(to_bytes(chest(values, WindowCenter=2000, WindowWidth=2000)))


def test_the_first_paint_is_a_small_grey_jpeg_of_what_is_shown(image: Image) -> None:
    jpeg = display_jpeg(image, longest_side=200)
    assert jpeg.startswith(b"\xff\xd8")
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (200, 100)
    expected = cv2.resize(image.pixels, (100, 200), interpolation=cv2.INTER_AREA) * 255
    assert np.abs(shown - expected).max() < 8


def test_pictures_are_never_enlarged(image: Image) -> None:
    shown = cv2.imdecode(np.frombuffer(display_jpeg(image), np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (600, 300)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_values_and_window_repeat_the_first_paint_in_the_browser(photometric: str) -> None:
    values = gradient(600, 300)
    described = {"PhotometricInterpretation": photometric, "RescaleIntercept": -500}
    window = {"WindowCenter": 1500, "WindowWidth": 2000, "RescaleSlope": 1}
    image = read_image(to_bytes(chest(values, **described, **window)))
    sent = display_values(image, longest_side=200)
    assert (sent.rows, sent.columns) == (200, 100)
    array = np.frombuffer(sent.data, "<u2").reshape(sent.rows, sent.columns)
    light = np.clip((array - sent.window_centre) / sent.window_width + 0.5, 0, 1)
    light = 1 - light if sent.inverted else light
    expected = cv2.resize(image.pixels, (100, 200), interpolation=cv2.INTER_AREA)
    assert np.abs(light - expected).max() < 0.01


def drawn(heat_map: np.ndarray, box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Rows x columns x (blue, green, red, alpha)."""
    prediction = Prediction("ok", IDENTITY, heat_map=heat_map.astype(np.float32), heat_map_box=box)
    png = heat_map_png(prediction, shape)
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_heat_map_is_transparent_outside_the_box() -> None:
    picture = drawn(np.ones((2, 2)), (0.25, 0.5, 0.75, 1.0), (40, 80))
    assert picture.shape == (40, 80, 4)
    inside = np.zeros((40, 80), bool)
    inside[10:30, 40:80] = True
    assert (picture[..., 3] > 0).tolist() == inside.tolist()


def test_cells_are_flat_rectangles() -> None:
    picture = drawn(np.array([[0.2, 0.9], [0.0, 0.5]]), (0, 0, 1, 1), (40, 40))
    cells = (picture[:20, :20], picture[:20, 20:], picture[20:, :20], picture[20:, 20:])
    assert all((cell == cell[0, 0]).all() for cell in cells)
    assert cells[2][0, 0, 3] == 0


def test_a_weak_map_stays_faint() -> None:
    weak = drawn(np.full((4, 4), 0.1), (0, 0, 1, 1), (16, 16))[..., 3].max()
    strong = drawn(np.full((4, 4), 1.0), (0, 0, 1, 1), (16, 16))[..., 3].max()
    assert weak == pytest.approx(0.1 * strong, abs=1)
    assert strong < 255


def test_without_a_heat_map_there_is_nothing_to_draw() -> None:
    with pytest.raises(PixelError, match="heat map"):
        heat_map_png(Prediction("cannot_read", IDENTITY), (10, 10))


def test_a_tiny_image_can_be_shrunk_to_a_line(image: Image) -> None:
    line = replace(image, pixels=image.pixels[:, :1], stored=image.stored[:, :1])
    assert display_values(line, longest_side=10).columns == 1
