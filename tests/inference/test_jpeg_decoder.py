"""JPEG is decoded in a process of its own, whose end is survived."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from inference import jpeg_decoder
from inference.errors import PixelError
from inference.images import read_image


@pytest.fixture
def jpeg_file() -> bytes:
    found = get_testdata_file("SC_rgb_small_odd_jpeg.dcm", download=False)
    assert found is not None
    return Path(found).read_bytes()


def test_a_jpeg_frame_is_what_pydicom_decodes(jpeg_file: bytes, radiographs: Path) -> None:
    image = read_image(radiographs / "JPGLosslessP14SV1_1s_1f_8b.dcm")
    dataset = pydicom.dcmread(radiographs / "JPGLosslessP14SV1_1s_1f_8b.dcm")
    dataset.pixel_array_options(decoding_plugin="gdcm")
    array = dataset.pixel_array
    np.testing.assert_array_equal(image.stored, array - array.min())
    assert read_image(jpeg_file).colour


def test_the_next_frame_is_read_after_the_process_has_died(jpeg_file: bytes) -> None:
    before = read_image(jpeg_file)
    process = jpeg_decoder.shared._process
    assert process is not None
    process.kill()
    process.wait()
    np.testing.assert_array_equal(read_image(jpeg_file).pixels, before.pixels)


def test_a_process_that_dies_while_decoding_is_a_pixel_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jpeg_file: bytes
) -> None:
    script = tmp_path / "dies.py"
    script.write_text("import os, sys\nsys.stdin.buffer.readline()\nos.abort()\n")
    monkeypatch.setattr(jpeg_decoder, "_SCRIPT", script)
    monkeypatch.setattr(jpeg_decoder, "shared", jpeg_decoder.JpegProcess())
    with pytest.raises(PixelError, match="stopped the decoder"):
        read_image(jpeg_file)


def test_a_process_that_stalls_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jpeg_file: bytes
) -> None:
    script = tmp_path / "stalls.py"
    script.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(jpeg_decoder, "_SCRIPT", script)
    monkeypatch.setattr(jpeg_decoder, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(jpeg_decoder, "shared", jpeg_decoder.JpegProcess())
    with pytest.raises(PixelError, match="stopped the decoder"):
        read_image(jpeg_file)


def test_a_stream_cut_short_is_refused_not_padded(jpeg_file: bytes) -> None:
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(jpeg_file))
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    scan = frame.index(b"\xff\xda") + 16
    options = {
        "transfer_syntax_uid": str(dataset.file_meta.TransferSyntaxUID),
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "bits_stored": 8,
        "pixel_representation": 0,
        "photometric_interpretation": dataset.PhotometricInterpretation,
        "planar_configuration": 0,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }
    assert jpeg_decoder.shared.decode(frame, options).shape == (dataset.Rows, dataset.Columns, 3)
    with pytest.raises(PixelError, match="whole"):
        jpeg_decoder.shared.decode(frame[:scan] + b"\xff\xd9", options)
