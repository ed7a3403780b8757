"""Which image a file says it is."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from inference.errors import InferenceError
from plugin.imaging.image_name import sop_instance_uid
from tests.plugin.imaging.archive import image

NAMES = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "JPEG2000.dcm",
    "rtplan.dcm",
    "RG1_UNCR.dcm",
    "explicit_VR-UN.dcm",
)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_one_that_the_parser_finds(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    assert sop_instance_uid(path) == str(pydicom.dcmread(path).SOPInstanceUID)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_file_without_meta_information_is_parsed(tmp_path: Path, implicit: bool) -> None:
    dataset = pydicom.dcmread(io.BytesIO(image("1.2", "1.2.3")))
    path = tmp_path / "bare.dcm"
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, dataset)
    path.write_bytes(buffer.getvalue())
    assert sop_instance_uid(path) == "1.2.3"


def test_wrong_meta_information_changes_nothing(tmp_path: Path) -> None:
    before, name, after = image("1.2", "1.2.3.4.5").partition(b"1.2.3.4.5")
    path = tmp_path / "wrapped.dcm"
    path.write_bytes(before + b"9.8.7.6.5" + after)
    assert name
    assert sop_instance_uid(path) == "1.2.3.4.5"


@pytest.mark.parametrize("size", [10, 200, 3000, 5000])
def test_what_stands_before_it_may_be_long(tmp_path: Path, size: int) -> None:
    dataset = pydicom.dcmread(io.BytesIO(image("1.2", "1.2.3")))
    dataset.file_meta.PrivateInformationCreatorUID = "1.2"
    dataset.file_meta.PrivateInformation = bytes(size)
    path = tmp_path / "private.dcm"
    dataset.save_as(path)
    assert sop_instance_uid(path) == "1.2.3"


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_damage_gives_a_uid_or_an_error_of_the_family(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    whole = bytearray(image("1.2", "1.2.3"))
    whole[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    path.write_bytes(whole)
    try:
        found = sop_instance_uid(path)
    except InferenceError:
        return
    assert found is None or found
