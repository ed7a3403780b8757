"""Headers that lie, and files that break off: refused in words, before anything is allocated."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from inference.errors import (
    FileMissing,
    FileUnreadable,
    ImageTooLarge,
    NoPixels,
    NotAnImage,
    PixelError,
)
from inference.images import read_facts, read_image
from tests.inference.dicom_files import chest, gradient, to_bytes

LIES = {
    "rows": {"Rows": 60000, "Columns": 60000},
    "a side": {"Rows": 1, "Columns": 65535},
    "frames": {"NumberOfFrames": 2_000_000_000},
    "rows within the limit": {"Rows": 6000, "Columns": 6000},
    "bits": {"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63},
    "no rows": {"Rows": 0},
    "samples": {"SamplesPerPixel": 3},
    "photometric": {"PhotometricInterpretation": "HOLOGRAM"},
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_headers_are_refused_before_anything_is_allocated(lie: str) -> None:
    content = to_bytes(chest(**LIES[lie]))
    read_image(to_bytes(chest()))  # what importing costs is not what is measured
    tracemalloc.start()
    with pytest.raises((PixelError, ImageTooLarge)) as refused:
        read_image(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    assert refused.value.sentence.endswith(".")


def test_a_claimed_60000_by_60000_image_is_too_large() -> None:
    with pytest.raises(ImageTooLarge, match="60,000 x 60,000"):
        read_image(to_bytes(chest(Rows=60000, Columns=60000)))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_a_compressed_frame_larger_than_the_header_says_is_refused(syntax: str) -> None:
    dataset = chest(gradient(200, 200))
    dataset.compress(syntax)
    dataset.Rows = dataset.Columns = 20
    with pytest.raises(PixelError, match="must"):
        read_image(to_bytes(dataset))


def test_more_frames_than_compressed_fragments_are_refused() -> None:
    dataset = chest()
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 1000
    with pytest.raises(PixelError, match="1,000 frames; got 1"):
        read_image(to_bytes(dataset))


def test_a_deflate_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = chest()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = to_bytes(dataset)
    start = 144 + int.from_bytes(head[140:144], "little")
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(b"\0" * 20_000_000) + deflater.flush()
    monkeypatch.setattr("inference.dicom_file.MAX_FILE_BYTES", 1_000_000)
    monkeypatch.setattr("inference.limits.MAX_FILE_BYTES", 1_000_000)
    with pytest.raises(ImageTooLarge):
        read_facts(head[:start] + bomb)


@pytest.mark.parametrize("length", [200, 2000, -100])
def test_a_truncated_file_is_refused_in_words(length: int) -> None:
    with pytest.raises((PixelError, NoPixels), match="must"):
        read_image(to_bytes(chest())[:length])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4" * 100, b"\0" * 5000, b"<html>" * 99])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(NotAnImage, match="must"):
        read_image(content)


def test_a_report_is_refused_as_holding_no_image() -> None:
    with pytest.raises(NoPixels):
        read_image(to_bytes(chest(PixelData=None, Rows=None, Columns=None)))


def test_a_header_whose_pixels_are_missing_is_cut_short() -> None:
    with pytest.raises(PixelError, match="cut short"):
        read_image(to_bytes(chest(PixelData=None)))


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="must be there"):
        read_image(tmp_path / "nothing.dcm")


@pytest.mark.parametrize("special", ["pipe", "/dev/zero", "/proc/kmsg", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, special: str) -> None:
    path = tmp_path / special
    if special == "pipe":
        os.mkfifo(path)
    elif special == "folder":
        path.mkdir()
    # The kernel calls /proc/kmsg a regular file of 0 bytes; reading it waits for its next message.
    with pytest.raises((NotAnImage, FileUnreadable), match="must"):
        read_image(path)


def test_messages_hold_no_patient_data() -> None:
    dataset = chest(PatientName="SECRET^NAME", PatientID="SECRET-ID", Rows=6000)
    with pytest.raises(PixelError) as refused:
        read_image(to_bytes(dataset))
    assert "SECRET" not in str(refused.value)
