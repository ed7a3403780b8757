"""A PNG or JPEG file as a DICOM image that says no more than is known.

No age, view, body part or spacing is made up; what the person who brings the file states is
written down, nothing else. Grey pictures become Digital X-Ray images, coloured ones Secondary
Capture, because a Digital X-Ray image cannot have colour (PS3.3 section A.26).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from sandbox.images.errors import PictureRefused
from sandbox.images.identity import (
    PatientIdentity,
    StudyIdentity,
    fingerprint,
    new_uid,
    rewrite,
)
from sandbox.images.limits import MOST_PIXELS, check_pixels

FORMATS = ("PNG", "JPEG")


@dataclass(frozen=True)
class Statement:
    """What the person who brings a picture says about it.

    Parameters
    ----------
    body_part : str
        BodyPartExamined (``CHEST``), empty when not said.
    view : str
        ViewPosition (``PA``, ``AP``, ``LL``), empty when not said.
    """

    body_part: str = ""
    view: str = ""


def wrap(
    data: bytes, patient: PatientIdentity, study: StudyIdentity, statement: Statement | None = None
) -> Dataset:
    """Make a DICOM image of a PNG or JPEG file.

    Returns
    -------
    pydicom.dataset.Dataset
        With file meta information; the same for the same arguments.

    Raises
    ------
    PictureRefused
        If the file is no such picture, too large or damaged.
    """
    pixels, kind = _read(data)
    dataset = _blank(colour=pixels.ndim == 3, digest=fingerprint(data))
    _describe(dataset, kind, statement or Statement())
    _put_pixels(dataset, pixels)
    rewrite(dataset, patient, study)
    return dataset


def _read(data: bytes) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], str]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            check_pixels(*opened.size)
            kind = str(opened.format)
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except PictureRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRefused(
            f"A picture may have at most {MOST_PIXELS:,} pixels; this one claims more"
        ) from error
    except Exception as error:
        # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error and others.
        raise PictureRefused("The file must be a whole PNG, JPEG or DICOM image") from error
    return _grey_or_colour(picture), kind


def _grey_or_colour(picture: Image.Image) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if picture.mode.startswith("I"):
        return np.asarray(np.clip(np.asarray(picture), 0, 65535), np.uint16)
    if picture.mode in ("1", "L", "LA", "La"):
        return np.asarray(picture.convert("L"))
    colours = np.asarray(picture.convert("RGB"))
    spread = colours.max(axis=2).astype(np.int16) - colours.min(axis=2)
    # Scans saved "in colour" are grey but for the noise of JPEG's chroma.
    return colours[..., 1].copy() if int(np.percentile(spread, 99)) <= 6 else colours


def _blank(*, colour: bool, digest: str) -> Dataset:
    dataset = Dataset()
    sop_class = SecondaryCaptureImageStorage if colour else DigitalXRayImageStorageForPresentation
    dataset.SOPClassUID = sop_class
    dataset.Modality = "OT" if colour else "DX"
    dataset.SeriesInstanceUID = new_uid("picture series", digest)
    dataset.SOPInstanceUID = new_uid("picture", digest)
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _describe(dataset: Dataset, kind: str, statement: Statement) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "WSD"
    dataset.DerivationDescription = f"Made from a {kind} file"
    dataset.LossyImageCompression = "01" if kind == "JPEG" else "00"
    if kind == "JPEG":
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    for keyword in ("StudyDate", "StudyTime", "Manufacturer", "BodyPartExamined", "ViewPosition"):
        setattr(dataset, keyword, "")
    if statement.body_part:
        dataset.BodyPartExamined = statement.body_part
        dataset.StudyDescription = f"{statement.body_part.capitalize()} X-ray"
    if statement.view:
        dataset.ViewPosition = statement.view


def _put_pixels(dataset: Dataset, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    bits = pixels.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    else:
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.WindowCenter, dataset.WindowWidth = 1 << (bits - 1), 1 << bits
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    data = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
