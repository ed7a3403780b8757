"""PNG and JPEG files."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from inference.errors import ImageTooLarge, NotAnImage, PixelError
from inference.images import read_facts, read_image
from tests.inference.dicom_files import gradient


def encoded(kind: str, picture: np.ndarray, *parameters: int) -> bytes:
    done, data = cv2.imencode(kind, picture, parameters)
    assert done
    return data.tobytes()


def photograph() -> np.ndarray:
    """A colourful picture."""
    down, across = np.mgrid[0:120, 0:160]
    return np.stack([down * 2, across, 255 - down], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_files_of_8_and_16_bits_are_read_exactly(dtype: type) -> None:
    top = np.iinfo(dtype).max
    values = gradient(60, 80, top=top, dtype=dtype)
    image = read_image(encoded(".png", values))
    np.testing.assert_array_equal(image.stored, values)
    np.testing.assert_allclose(image.pixels, values / top, atol=1e-6)
    assert image.source == "picture"
    assert image.facts is None
    assert not image.inverted
    assert not image.colour


def test_a_grey_jpeg_is_read() -> None:
    values = gradient(64, 64, top=255, dtype=np.uint8)
    image = read_image(encoded(".jpg", values))
    assert np.abs(image.stored.astype(int) - values).max() < 8


def test_a_colour_photograph_is_recognised() -> None:
    assert read_image(encoded(".jpg", photograph())).colour
    assert read_image(encoded(".png", photograph())).colour


def test_grey_stored_as_colour_is_not_colour() -> None:
    grey = cv2.cvtColor(gradient(90, 90, top=255, dtype=np.uint8), cv2.COLOR_GRAY2BGR)
    image = read_image(encoded(".jpg", grey, cv2.IMWRITE_JPEG_QUALITY, 40))
    assert not image.colour
    assert image.pixels.shape == (90, 90)


def test_a_small_coloured_marker_does_not_make_a_colour_image() -> None:
    grey = cv2.cvtColor(gradient(200, 200, top=255, dtype=np.uint8), cv2.COLOR_GRAY2BGR)
    grey[5:20, 5:20] = (0, 0, 255)
    assert not read_image(encoded(".png", grey)).colour


def test_transparency_is_dropped() -> None:
    grey = gradient(40, 40, top=255, dtype=np.uint8)
    with_alpha = cv2.merge([grey, grey, grey, np.full_like(grey, 7)])
    np.testing.assert_array_equal(read_image(encoded(".png", with_alpha)).stored, grey)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with this orientation behind the start marker."""
    tiff = (
        b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0" * 4
    )
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def test_a_jpeg_is_turned_as_its_exif_orientation_says() -> None:
    jpeg = encoded(".jpg", gradient(40, 60, top=255, dtype=np.uint8))
    upright, turned = read_image(jpeg), read_image(with_orientation(jpeg, 6))
    assert turned.pixels.shape == (60, 40)
    np.testing.assert_allclose(turned.pixels, np.rot90(upright.pixels, -1), atol=0.02)


def png_claiming(columns: int, rows: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + data


def jpeg_claiming(columns: int, rows: int) -> bytes:
    jpeg = bytearray(encoded(".jpg", gradient(16, 16, top=255, dtype=np.uint8)))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", rows, columns)
    return bytes(jpeg)


@pytest.mark.parametrize("bomb", [png_claiming(60000, 60000), jpeg_claiming(60000, 60000)])
def test_a_claimed_60000_by_60000_picture_is_refused_before_allocation(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ImageTooLarge, match="60,000 x 60,000"):
        read_image(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("kind", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
def test_a_truncated_picture_is_refused_not_filled_with_grey(kind: str, kept: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (80, 80), dtype=np.uint8)
    whole = encoded(kind, noise)
    with pytest.raises(PixelError, match="must"):
        read_image(whole[: int(len(whole) * kept)])


def test_a_thumbnail_does_not_hide_a_truncated_picture() -> None:
    jpeg = encoded(".jpg", gradient(200, 200, top=255, dtype=np.uint8))
    thumbnail = encoded(".jpg", gradient(16, 16, top=255, dtype=np.uint8))
    segment = b"Exif\0\0" + thumbnail
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    whole = jpeg[:2] + marker + segment + jpeg[2:]
    assert read_image(whole).pixels.shape == (200, 200)
    with pytest.raises(PixelError, match="cut short"):
        read_image(whole[:-100])


def test_a_damaged_picture_is_refused_in_words() -> None:
    with pytest.raises(PixelError, match="must"):
        read_image(b"\x89PNG\r\n\x1a\n" + b"\0" * 200)


def test_a_picture_has_no_header_facts() -> None:
    with pytest.raises(NotAnImage):
        read_facts(encoded(".png", gradient(20, 20, top=255, dtype=np.uint8)))
