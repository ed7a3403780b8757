"""PNG and JPEG files: header sizes first, then the pixels."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from inference.codestream import jpeg_is_complete, read_size
from inference.colour import from_grey, from_rgb
from inference.errors import PixelError
from inference.file_bytes import PNG_MAGIC
from inference.images import Image
from inference.limits import check_size

_END_OF_PNG = b"IEND"


def read_picture(content: bytes) -> Image:
    """Decode a PNG (1 to 16 bits) or JPEG file, turned as its EXIF orientation says.

    Raises
    ------
    PixelError, ImageTooLarge
    """
    rows, columns = _claimed_size(content)
    check_size(rows, columns)
    _check_complete(content)
    # ANYCOLOR | ANYDEPTH keeps grey and 16 bits, drops alpha, and applies the EXIF orientation.
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    try:
        decoded = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        raise PixelError("A PNG or JPEG picture must be decodable; this one is damaged.") from error
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16):
        raise PixelError("A PNG or JPEG picture must be decodable; this one is damaged.")
    if decoded.ndim == 2:
        return from_grey(decoded, source="picture")
    return from_rgb(decoded[:, :, 2::-1], source="picture")


def _claimed_size(content: bytes) -> tuple[int, int]:
    if not content.startswith(PNG_MAGIC):
        size = read_size(content)
        return size.rows, size.columns
    try:
        kind, columns, rows = struct.unpack_from(">4sII", content, 12)
    except struct.error as error:
        raise PixelError("A PNG picture must have a whole header; it breaks off.") from error
    if kind != b"IHDR":
        raise PixelError("A PNG picture must begin with an IHDR chunk; it does not.")
    return rows, columns


def _check_complete(content: bytes) -> None:
    """Refuse a picture cut short: OpenCV would fill the missing half with grey."""
    if content.startswith(PNG_MAGIC):
        complete = _END_OF_PNG in content[-1024:]
    else:
        complete = jpeg_is_complete(content)
    if not complete:
        raise PixelError("A PNG or JPEG picture must be whole; this one is cut short.")
