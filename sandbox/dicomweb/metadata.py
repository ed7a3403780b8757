"""Metadata, bulk data and frames of stored instances (PS3.18 sections 10.4.1.1.2 to 10.4.1.1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID

from sandbox.dicomweb.archive import Json
from sandbox.dicomweb.errors import BadQuery, NotStored

_INLINE_BYTES = 1024
_PIXELS = ("7FE00008", "7FE00009", "7FE00010")
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def metadata_of(path: Path, url: str) -> Json:
    """DICOM JSON of one instance, large and pixel values replaced by BulkDataURI.

    Parameters
    ----------
    path : pathlib.Path
        Part 10 file.
    url : str
        Address of the instance; ``<url>/bulkdata/<tag>`` leads to a value.
    """

    def bulk(element: DataElement) -> str:
        return f"{url}/bulkdata/{int(element.tag):08X}"

    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    _leave_out_nested_bulk(dataset)
    answer: Json = dataset.to_json_dict(
        bulk_data_threshold=_INLINE_BYTES,
        bulk_data_element_handler=bulk,
        suppress_invalid_tags=True,
    )
    if "Rows" in dataset:
        answer["7FE00010"] = {"vr": "OW", "BulkDataURI": f"{url}/bulkdata/7FE00010"}
    return answer


def _leave_out_nested_bulk(dataset: Dataset) -> None:
    # Only values of the top level have an address here, so big ones inside sequences (icons,
    # private blobs) are left out of the metadata; the retrieved file still has them.
    def drop(inner: Dataset, element: DataElement) -> None:
        big = element.VR in _BINARY and len(element.value or b"") > _INLINE_BYTES
        if big and inner is not dataset:
            del inner[element.tag]

    dataset.walk(drop)


def bulk_value(path: Path, tag: str) -> bytes:
    """Value of one top-level binary element, as it is encoded in the file.

    Raises
    ------
    BadQuery
        If `tag` is not eight hexadecimal digits.
    NotStored
        If the instance has no such binary value.
    """
    if len(tag) != 8 or any(c not in "0123456789ABCDEFabcdef" for c in tag):
        raise BadQuery("A bulk data address must end with a tag of eight hexadecimal digits")
    dataset = pydicom.dcmread(path)
    number = int(tag, 16)
    if number not in dataset or not isinstance(dataset[number].value, bytes):
        raise NotStored("The instance has no binary value under this tag")
    return bytes(dataset[number].value)


def frames_of(path: Path, numbers: Sequence[int]) -> tuple[list[bytes], str]:
    """Frames of one instance, as stored.

    Parameters
    ----------
    numbers : sequence of int
        From 1 up.

    Returns
    -------
    tuple of (list of bytes, str)
        The frames and their transfer syntax UID.

    Raises
    ------
    NotStored
        If there is no such frame.
    """
    dataset = pydicom.dcmread(path)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if "PixelData" not in dataset:
        raise NotStored("The instance has no pixel data")
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    if syntax.is_compressed:
        frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
    else:
        size = get_expected_length(dataset) // count
        frames = [dataset.PixelData[n * size : (n + 1) * size] for n in range(count)]
    if not numbers or any(not 1 <= number <= len(frames) for number in numbers):
        raise NotStored("The instance has no frame of this number")
    return [frames[number - 1] for number in numbers], str(syntax)
