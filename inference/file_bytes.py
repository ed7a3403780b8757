"""From a path or bytes to bytes, and what kind of file they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from inference.errors import FileMissing, FileUnreadable, InferenceError, NotAnImage
from inference.limits import check_file_size

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"


def load(data: bytes | Path) -> bytes:
    """Return the whole file as bytes.

    Parsing happens in memory on purpose: a lying length in a header then reads to the end of the
    buffer, while a file object would first allocate what the header claims.

    Raises
    ------
    FileMissing, FileUnreadable
        There are no bytes to be had.
    NotAnImage
        Empty, or not a regular file.
    ImageTooLarge
        Beyond the file limit; nothing was read.
    """
    content = data if isinstance(data, bytes) else _read(data)
    check_file_size(len(content))
    if not content:
        raise NotAnImage("The file must not be empty; it has 0 bytes.")
    return content


def _read(path: Path) -> bytes:
    """Read a regular file, and of one that grows meanwhile no more than it was."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise NotAnImage(f"A path must be a regular file; this one is {_kind(found.st_mode)}.")
        check_file_size(found.st_size)
        # Should it have become a pipe since, opening it must not wait for somebody who writes.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            content: bytes | None = stream.read(found.st_size + 1)
    except (OSError, ValueError) as error:
        raise refusal(error) from error
    if content is None:  # a kernel's log says so when it has nothing to tell
        raise FileUnreadable(
            "The file must be readable; it gives nothing without being waited for."
        )
    return content


def refusal(error: OSError | ValueError) -> InferenceError:
    """Name the reason why the system gave no bytes."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileMissing("The file must be there; there is none of this name.")
    words = (error.strerror or "" if isinstance(error, OSError) else "") or "it cannot be read"
    return FileUnreadable(f"The file must be readable; {words}.")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def is_picture(content: bytes) -> bool:
    """Tell a PNG or JPEG picture by its first bytes."""
    return content.startswith((PNG_MAGIC, JPEG_MAGIC))
