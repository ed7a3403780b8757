"""From DICOM bytes to display values."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_windowing
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from inference.errors import PixelError
from inference.images import read_facts, read_image
from tests.inference.dicom_files import chest, gradient, to_bytes


def shown(dataset: Dataset) -> np.ndarray:
    return read_image(to_bytes(dataset)).pixels


def own(name: str) -> Path:
    """A file that comes with pydicom itself."""
    found = get_testdata_file(name, download=False)
    assert found is not None
    return Path(found)


def test_without_window_the_whole_range_of_values_is_shown() -> None:
    image = read_image(to_bytes(chest(gradient(64, 48))))
    assert image.pixels.dtype == np.float32
    assert image.pixels.shape == (64, 48)
    assert (image.pixels.min(), image.pixels.max()) == (0.0, 1.0)
    assert image.window == (2047.5, 4095.0)
    assert image.source == "dicom"
    assert image.facts is not None
    assert image.facts.modality == "CR"


def test_monochrome1_is_inverted_after_the_window() -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 500}
    light = shown(chest(**window))
    dark = read_image(to_bytes(chest(PhotometricInterpretation="MONOCHROME1", **window)))
    np.testing.assert_allclose(dark.pixels, 1 - light, atol=1e-6)
    assert dark.inverted
    assert dark.window == (1000, 500)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(700, 900), (1048, 20), (-300.5, 77.25)])
def test_windows_agree_with_pydicom(function: str, centre: float, width: float) -> None:
    dataset = chest(
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
        RescaleSlope=1,
        RescaleIntercept=-1000,
    )
    expected = apply_windowing(apply_modality_lut(gradient(64, 48), dataset), dataset)
    low, high = -1000.0, 2.0**16 - 1 - 1000
    np.testing.assert_allclose(shown(dataset), (expected - low) / (high - low), atol=2e-5)


def test_a_window_that_shows_nothing_falls_back_to_the_whole_range() -> None:
    pixels = shown(chest(WindowCenter=60000, WindowWidth=10))
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)


def test_a_window_of_no_width_is_ignored() -> None:
    assert np.ptp(shown(chest(WindowCenter=100, WindowWidth=0))) == 1.0


def test_of_several_windows_the_first_is_used() -> None:
    one = shown(chest(WindowCenter=1000, WindowWidth=500))
    several = shown(chest(WindowCenter=[1000, 3000], WindowWidth=[500, 100]))
    np.testing.assert_array_equal(one, several)


def test_rescale_slope_and_intercept_come_before_the_window() -> None:
    plain = shown(chest(WindowCenter=1000, WindowWidth=500))
    dataset = chest(
        RescaleSlope=2, RescaleIntercept=-50, WindowCenter=1949.5, WindowWidth=1000, Modality="CR"
    )
    np.testing.assert_allclose(shown(dataset), plain, atol=0.002)


def lut(first: int, values: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, bits])
    item.add_new("LUTData", "US", values)
    return item


def test_a_voi_lut_sequence_is_applied() -> None:
    values = np.array([[0, 1], [2, 3]], dtype=np.uint16).repeat(8, 0).repeat(8, 1)
    dataset = chest(values, VOILUTSequence=[lut(0, [0, 255, 51, 102], 8)])
    pixels = shown(dataset)
    assert [pixels[0, 0], pixels[0, 8], pixels[8, 0], pixels[8, 8]] == pytest.approx(
        [0.0, 1.0, 0.2, 0.4]
    )


def test_a_modality_lut_sequence_is_applied() -> None:
    values = np.array([[0, 1], [2, 3]], dtype=np.uint16).repeat(8, 0).repeat(8, 1)
    item = lut(0, [40, 10, 20, 0], 16)
    item.ModalityLUTType = "US"
    pixels = shown(chest(values, ModalityLUTSequence=[item]))
    assert [pixels[0, 0], pixels[0, 8], pixels[8, 0]] == pytest.approx([1.0, 0.25, 0.5])


@pytest.mark.parametrize("name", ["mlut_18.dcm", "vlut_04.dcm"])
def test_real_look_up_tables_agree_with_pydicom(radiographs: Path, name: str) -> None:
    dataset = pydicom.dcmread(radiographs / name)
    modality = apply_modality_lut(dataset.pixel_array, dataset)
    expected = pydicom.pixels.apply_voi_lut(modality, dataset).astype(np.float64)
    pixels = read_image(radiographs / name).pixels.astype(np.float64)
    assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32])
def test_signed_and_unsigned_values_of_every_size_are_read(dtype: type) -> None:
    info = np.iinfo(dtype)
    values = np.linspace(info.min, info.max, 64 * 48).reshape(64, 48).astype(dtype)
    pixels = shown(chest(values))
    np.testing.assert_allclose(pixels.ravel(), np.linspace(0, 1, 64 * 48), atol=0.005)


@pytest.mark.parametrize("bits", [10, 12, 14, 15])
def test_overlay_bits_above_bits_stored_are_ignored(bits: int) -> None:
    values = gradient(64, 48, top=2**bits - 1)
    dirty = values | np.uint16(1 << 15)
    described = {"BitsStored": bits, "HighBit": bits - 1}
    np.testing.assert_array_equal(shown(chest(dirty, **described)), shown(chest(values)))


def test_values_stored_in_the_upper_bits_are_brought_down() -> None:
    values = gradient(64, 48)
    image = read_image(to_bytes(chest(values << 4, BitsStored=12, HighBit=15)))
    np.testing.assert_array_equal(image.stored, values)


@pytest.mark.parametrize(("photometric", "kept"), [("MONOCHROME1", 65535), ("MONOCHROME2", 0)])
def test_padding_is_black_and_does_not_stretch_the_range(photometric: str, kept: int) -> None:
    values = gradient(64, 48, top=1000).astype(np.int16)
    values[:, :5] = -2000
    dataset = chest(values, PhotometricInterpretation=photometric)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)  # the wrong sign, as many write it
    image = read_image(to_bytes(dataset))
    assert (image.pixels[:, :5] == 0).all()
    assert (image.stored[:, :5] == kept).all()
    assert image.pixels[:, 5:].min() == 0.0
    assert image.pixels[:, 5:].max() == 1.0
    assert np.ptp(image.pixels[0, 5:]) > 0


def test_a_padding_range_is_black() -> None:
    values = gradient(64, 48, top=1000)
    pixels = shown(chest(values, PixelPaddingValue=0, PixelPaddingRangeLimit=200))
    assert (pixels[values <= 200] == 0).all()
    assert (pixels[values > 202] > 0).all()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_native_byte_orders_are_read(syntax: str) -> None:
    dataset = chest()
    expected = shown(dataset)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = gradient(64, 48).astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(shown(dataset), expected)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_encodings_give_the_same_image(syntax: str, dtype: type) -> None:
    values = gradient(64, 48, top=np.iinfo(dtype).max, dtype=dtype)
    dataset = chest(values)
    expected = shown(dataset)
    if dtype is np.int16 and syntax == JPEGLSLossless:
        dataset.compress(syntax, jls_error=0)
    else:
        dataset.compress(syntax)
    np.testing.assert_array_equal(shown(dataset), expected)


def test_a_deflated_file_is_read() -> None:
    dataset = chest()
    expected = shown(dataset)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content = to_bytes(dataset)
    np.testing.assert_array_equal(read_image(content).pixels, expected)
    assert read_facts(content).view_position == "PA"


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_small_odd_jpeg.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "JPEGLSNearLossless_16.dcm",
        "JPEG2000.dcm",
        "image_dfl.dcm",
        "ExplVR_BigEnd.dcm",
    ],
)
def test_the_encodings_of_the_files_that_come_with_pydicom_are_read(name: str) -> None:
    assert read_image(own(name)).pixels.max() > 0.5


def test_jpeg_extended_with_12_bits_is_refused_in_words() -> None:
    with pytest.raises(PixelError, match="8 bits only; this image has 12"):
        read_image(own("JPEG-lossy.dcm"))


def test_high_throughput_jpeg_2000_is_read(shared_dicom: Path) -> None:
    assert read_image(shared_dicom / "pydicom-data__HTJ2K_08_RGB.dcm").colour


def test_a_jpeg_2000_stream_of_the_other_sign_is_corrected() -> None:
    dataset = pydicom.dcmread(own("J2K_pixelrep_mismatch.dcm"))
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    image = read_image(own("J2K_pixelrep_mismatch.dcm"))
    assert expected.min() < -1000
    np.testing.assert_array_equal(image.stored, expected - expected.min())


def test_four_encodings_of_one_radiograph_give_one_image(radiographs: Path) -> None:
    read = {n: read_image(radiographs / f"RG1_{n}.dcm") for n in ("UNCI", "J2KI", "UNCR", "J2KR")}
    np.testing.assert_array_equal(read["UNCR"].pixels, read["J2KR"].pixels)
    np.testing.assert_allclose(read["UNCI"].pixels, read["J2KI"].pixels, atol=1e-3)
    assert np.abs(read["UNCR"].pixels - read["UNCI"].pixels).mean() < 0.002
    image = read["UNCR"]
    assert image.pixels.shape == (1955, 1841)
    assert image.inverted
    assert not image.colour
    # MONOCHROME1 rightly turned: lungs, left and right of the middle, are darker than the spine.
    spine, lungs = image.pixels[700:1100, 880:960], image.pixels[700:1100, 450:600]
    assert spine.mean() > lungs.mean() + 0.1


def test_of_several_frames_the_first_is_read() -> None:
    frames = np.stack([gradient(64, 48), gradient(64, 48) // 2])
    dataset = chest(gradient(64, 48), NumberOfFrames=2, PixelData=frames.tobytes())
    image = read_image(to_bytes(dataset))
    assert image.frames == 2
    np.testing.assert_array_equal(image.stored, gradient(64, 48))


def test_single_bits_are_read() -> None:
    bits = np.packbits(np.tile([0, 1, 1, 0], 64), bitorder="little")
    dataset = chest(
        np.zeros((16, 16), np.uint8),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=bits.tobytes(),
    )
    np.testing.assert_array_equal(shown(dataset)[0, :4], [0, 1, 1, 0])


def test_floating_point_pixels_are_read_and_not_a_number_is_zero() -> None:
    values = np.linspace(-1, 1, 64 * 48, dtype=np.float32)
    values[7] = np.nan
    dataset = chest(PixelData=None, BitsAllocated=32, BitsStored=None, HighBit=None)
    del dataset.PixelRepresentation
    dataset.FloatPixelData = values.tobytes()
    pixels = shown(dataset)
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(pixels.ravel()[8:], np.linspace(0, 1, 64 * 48)[8:], atol=1e-4)


def test_real_colour_is_recognised_and_grey_stored_as_rgb_is_not() -> None:
    grey = np.repeat(gradient(64, 48, top=255, dtype=np.uint8)[..., np.newaxis], 3, axis=2)
    red = grey.copy()
    red[:, :, 1:] //= 3
    assert not read_image(to_bytes(chest(grey))).colour
    assert read_image(to_bytes(chest(red))).colour


def test_a_palette_image_is_read_as_colour() -> None:
    image = read_image(own("examples_palette.dcm"))
    assert image.colour
    assert image.pixels.max() > 0.5


def test_a_file_without_preamble_is_read() -> None:
    dataset = chest()
    stream = BytesIO()
    del dataset.file_meta
    dataset.save_as(stream, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_image(stream.getvalue()).pixels, shown(chest()))


def test_spacing_is_kept() -> None:
    assert read_image(to_bytes(chest(ImagerPixelSpacing=[0.2, 0.1]))).spacing_mm == (0.2, 0.1)
    assert read_image(to_bytes(chest(PixelSpacing=[0, 0]))).spacing_mm is None
