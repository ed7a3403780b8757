"""From a path or bytes to bytes, and what kind of file they are."""

from __future__ import annotations

from pathlib import Path

from inference.errors import NotAnImage
from inference.limits import check_file_size

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"


def load(data: bytes | Path) -> bytes:
    """Return the whole file as bytes.

    Parsing happens in memory on purpose: a lying length in a header then reads to the end of the
    buffer, while a file object would first allocate what the header claims.

    Raises
    ------
    NotAnImage
        Empty, unreadable, or not a file.
    ImageTooLarge
        Beyond the file limit; nothing was read.
    """
    if isinstance(data, bytes):
        check_file_size(len(data))
        content = data
    else:
        try:
            check_file_size(data.stat().st_size)
            content = data.read_bytes()
        except OSError as error:
            raise NotAnImage(f"The file must be readable; {error.strerror}.") from error
    if not content:
        raise NotAnImage("The file must not be empty; it has 0 bytes.")
    return content


def is_picture(content: bytes) -> bool:
    """Tell a PNG or JPEG picture by its first bytes."""
    return content.startswith((PNG_MAGIC, JPEG_MAGIC))
