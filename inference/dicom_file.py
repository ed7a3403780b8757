"""A DICOM file, with or without preamble, to a data set and to an `Image`."""

from __future__ import annotations

import zlib
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from inference.dicom_facts import facts_of
from inference.dicom_pixels import decode_first_frame
from inference.errors import InferenceError, NoPixels, NotAnImage, PixelError
from inference.grayscale import display
from inference.images import Image
from inference.limits import MAX_FILE_BYTES, check_file_size
from inference.quiet_parser import quiet_parser

_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# One of these must be there before bytes without a preamble are believed to be DICOM.
_TELL_TALE = ("SOPClassUID", "StudyInstanceUID", "Modality", "PatientID", "Rows", "PixelData")


def read_dicom(content: bytes) -> Image:
    """Decode the first frame and bring it to the display scale.

    Raises
    ------
    NotAnImage, NoPixels, PixelError, ImageTooLarge
    """
    with quiet_parser():
        dataset = _parse(content, stop_before_pixels=False)
        _check_pixels_present(dataset)
        try:
            frame = decode_first_frame(dataset)
            # A large radiograph would otherwise lie in memory twice while it is drawn.
            del dataset[frame.claims.keyword]
            return display(frame, dataset, facts_of(dataset))
        except InferenceError:
            raise
        except MemoryError:
            raise
        except Exception as error:
            # pydicom and the codecs report damage with a dozen exception types, some of which quote
            # the value at fault: the type alone is safe to show.
            raise PixelError(
                "The image in a DICOM file must be decodable; this one is damaged or unsupported "
                f"({type(error).__name__})."
            ) from error


def _check_pixels_present(dataset: Dataset) -> None:
    if any(keyword in dataset for keyword in _PIXEL_KEYWORDS):
        return
    if "Rows" in dataset and "Columns" in dataset:
        raise PixelError(
            "The pixels that a DICOM header describes must follow it; the file is cut short."
        )
    raise NoPixels("A DICOM file must hold an image to be read; this one holds none.")


def read_header(content: bytes) -> Dataset:
    """Parse everything before the pixels.

    Raises
    ------
    NotAnImage, ImageTooLarge
    """
    with quiet_parser():
        return _parse(content, stop_before_pixels=True)


def _parse(content: bytes, *, stop_before_pixels: bool) -> Dataset:
    try:
        dataset = _inflated(content, stop_before_pixels=stop_before_pixels)
        if dataset is None:
            dataset = dcmread(BytesIO(content), force=True, stop_before_pixels=stop_before_pixels)
        known = any(keyword in dataset for keyword in _TELL_TALE)
    except (InferenceError, MemoryError):
        raise
    except Exception as error:
        raise NotAnImage(
            "The file must be DICOM, PNG or JPEG; it is none of them, or its header is damaged "
            f"({type(error).__name__})."
        ) from error
    if not known and content[128:132] != b"DICM":
        raise NotAnImage("The file must be DICOM, PNG or JPEG; it is none of them.")
    return dataset


def _inflated(content: bytes, *, stop_before_pixels: bool) -> Dataset | None:
    """Parse a deflated file within the memory limit; None if the file is not deflated.

    pydicom inflates without a limit: 500 kB of zeros would become 500 MB.
    """
    stream = BytesIO(content)
    preamble = read_preamble(stream, force=True)
    meta = _read_file_meta_info(stream)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(content[stream.tell() :], MAX_FILE_BYTES)
    if inflater.unconsumed_tail:
        check_file_size(MAX_FILE_BYTES + 1)
    dataset = read_dataset(
        BytesIO(body),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=_at_pixels if stop_before_pixels else None,
    )
    return FileDataset(BytesIO(), dataset, preamble, meta, False, True)


def _at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
    return tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)
