"""Bodies of store requests, written by hand so that they can also be wrong."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

BOUNDARY = "a-boundary"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def small_image(**attributes: object) -> Dataset:
    """A tiny radiograph of CLARK, Dan; attributes of None are left out."""
    dataset = Dataset()
    values: dict[str, object] = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientID": "H-1001",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientName": "CLARK^Dan",
        "Modality": "CR",
        "StudyDate": "20260401",
        "Rows": 8,
        "Columns": 8,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": np.arange(64, dtype=np.uint8).tobytes(),
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.preamble = b"\0" * 128
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def file_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def related(parts: Sequence[bytes], kind: str = "application/dicom") -> bytes:
    pieces = [
        f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode() + part + b"\r\n" for part in parts
    ]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()
