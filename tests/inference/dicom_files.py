"""Make small DICOM files for the tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian


def chest(values: np.ndarray | None = None, **attributes: Any) -> Dataset:
    """Make a frontal chest radiograph of an adult; None removes an attribute."""
    if values is None:
        values = gradient(64, 48)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = "1.2.3.4", "1.2.3"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
    dataset.PatientAge = "060Y"
    _describe_pixels(dataset, values)
    with _as_broken_as_wanted():
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
    return dataset


@contextmanager
def _as_broken_as_wanted() -> Iterator[None]:
    """Let pydicom write values that it warns of: real files hold them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _describe_pixels(dataset: Dataset, values: np.ndarray) -> None:
    bits = 8 * values.dtype.itemsize
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 1 if values.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"


def to_bytes(dataset: Dataset, **options: Any) -> bytes:
    """Write a file with preamble."""
    stream = BytesIO()
    with _as_broken_as_wanted():
        dataset.save_as(stream, enforce_file_format=True, **options)
    return stream.getvalue()


def gradient(rows: int, columns: int, top: int = 4095, dtype: Any = np.uint16) -> np.ndarray:
    """Values that rise evenly from 0 at the top left to `top` at the bottom right."""
    return np.linspace(0, top, rows * columns).reshape(rows, columns).astype(dtype)
