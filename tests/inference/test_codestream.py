"""Sizes read from compressed streams, before a decoder sees them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import JPEG2000Lossless

from inference.codestream import CodestreamSize, jpeg_is_complete, read_size, rle_length
from inference.errors import PixelError
from tests.inference.dicom_files import chest, gradient


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def jpeg_2000() -> bytes:
    dataset = chest(gradient(64, 48))
    dataset.compress(JPEG2000Lossless)
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def test_a_jpeg_2000_stream_states_its_size() -> None:
    assert read_size(jpeg_2000()) == CodestreamSize(64, 48, 1, 16)


def test_a_jp2_file_is_searched_for_its_stream() -> None:
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    assert read_size(start + box(b"jp2c", jpeg_2000())) == CodestreamSize(64, 48, 1, 16)


def test_a_jp2_box_without_length_does_not_hang() -> None:
    stuck = box(b"jP  ", b"\r\n\x87\n") + b"\0\0\0\0ftyp" + b"\0" * 50
    with pytest.raises(PixelError, match="at least 8 bytes; got 0"):
        read_size(stuck)


def test_a_jp2_file_without_stream_is_refused() -> None:
    with pytest.raises(PixelError, match="breaks off"):
        read_size(box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 "))


def test_a_jpeg_states_its_size_behind_fill_bytes_and_other_segments() -> None:
    comment = b"\xff\xff\xff\xfe" + struct.pack(">H", 6) + b"note"
    frame = b"\xff\xc3" + struct.pack(">HBHHB", 11, 12, 70, 90, 1) + b"\1\x11\0"
    assert read_size(b"\xff\xd8" + comment + frame) == CodestreamSize(70, 90, 1, 12)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"\xff\xd8\x00\x00", "chain is broken"),
        (b"\xff\xd8\xff\xe0", "breaks off"),
        (b"\xff\xd8", "breaks off"),
        (b"GIF89a", "must begin as"),
        (b"", "must begin as"),
        (b"\xff\x4f\xff\x51\0\0", "breaks off"),
    ],
)
def test_what_is_no_stream_is_refused(stream: bytes, message: str) -> None:
    with pytest.raises(PixelError, match=message):
        read_size(stream)


def rle(*segments: bytes) -> bytes:
    starts = np.cumsum([64, *(len(segment) for segment in segments)])[:-1]
    offsets = [*starts.tolist(), *[0] * (15 - len(segments))]
    return struct.pack("<16I", len(segments), *offsets) + b"".join(segments)


def test_the_length_of_an_rle_frame_is_counted_without_expanding_it() -> None:
    literal, run, nothing = b"\x02abc", b"\x81x", b"\x80"
    assert rle_length(rle(literal + run + nothing, run)) == 3 + 128 + 128


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0" * 64,
        struct.pack("<16I", 16, *range(64, 79)),
        struct.pack("<16I", 1, 9, *[0] * 14),
    ],
)
def test_impossible_rle_headers_are_refused(frame: bytes) -> None:
    with pytest.raises(PixelError, match="RLE"):
        rle_length(frame)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\x02", b"\xff\xd8\xff\xff\xda"]
)
def test_a_jpeg_without_end_is_not_complete(data: bytes) -> None:
    assert not jpeg_is_complete(data)
