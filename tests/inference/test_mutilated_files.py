"""Damaged bytes end in an image or in a sentence, never in anything else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from inference.errors import InferenceError
from inference.images import read_facts, read_image
from tests.inference.dicom_files import chest, gradient, to_bytes

_NAMES = (
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "image_dfl.dcm",
    "examples_palette.dcm",
    "liver_1frame.dcm",
)
_SETTINGS = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def _originals() -> list[bytes]:
    found = [get_testdata_file(name, download=False) for name in _NAMES]
    files = [Path(path).read_bytes() for path in found if path is not None]
    return [*files, to_bytes(chest()), _picture(".png"), _picture(".jpg")]


def _picture(kind: str) -> bytes:
    return cv2.imencode(kind, gradient(40, 40, top=255, dtype=np.uint8))[1].tobytes()


ORIGINALS = _originals()


def ends_well(content: bytes) -> None:
    with suppress(InferenceError):
        image = read_image(content)
        assert image.pixels.dtype == np.float32
        assert image.pixels.shape == image.stored.shape
        assert 0 <= image.pixels.min() <= image.pixels.max() <= 1
        assert np.isfinite(image.window).all()
    with suppress(InferenceError):
        read_facts(content)


def test_all_originals_are_here() -> None:
    assert len(ORIGINALS) == len(_NAMES) + 3


@_SETTINGS
@given(original=st.sampled_from(ORIGINALS), kept=st.floats(0, 1))
def test_truncation_ends_well(original: bytes, kept: float) -> None:
    ends_well(original[: int(len(original) * kept)])


@_SETTINGS
@given(
    original=st.sampled_from(ORIGINALS),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_changed_header_bytes_end_well(original: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(original)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    ends_well(bytes(damaged))


@_SETTINGS
@given(
    original=st.sampled_from(ORIGINALS),
    position=st.integers(0, 4000),
    value=st.sampled_from(
        [b"\xff\xff\xff\xff", b"\xf0\xff\xff\xff", b"\x60\xea\x60\xea", b"\0" * 4]
    ),
)
def test_lying_lengths_and_sizes_end_well(original: bytes, position: int, value: bytes) -> None:
    position %= len(original)
    ends_well(original[:position] + value + original[position + 4 :])


@_SETTINGS
@given(content=st.binary(max_size=400))
@example(b"\xff\xd8\xff")
@example(b"\x89PNG\r\n\x1a\n")
@example(b"\0" * 128 + b"DICM")
def test_arbitrary_bytes_end_well(content: bytes) -> None:
    ends_well(content)


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 12, 16, 32, 64, 255, 65535])
@pytest.mark.parametrize("keyword", ["BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"])
def test_impossible_pixel_descriptions_end_well(keyword: str, bits: int) -> None:
    ends_well(to_bytes(chest(**{keyword: bits})))
