"""A multipart/related answer taken apart, strictly: half an answer is an error, not fewer images.

dicomweb-client yields what arrived when the closing delimiter is missing; here that would turn a
broken connection into a study with fewer images.

References
----------
DICOM PS3.18 8.6.1.2 (Multipart media types); RFC 2046 5.1.1
"""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message


class MultipartError(ValueError):
    """The message breaks the rules of multipart/related."""


def content_type(header: str) -> tuple[str, dict[str, str]]:
    """Read a Content-Type header: the media type in lower case, and its parameters."""
    message = Message()
    message["Content-Type"] = header
    parameters = message.get_params(failobj=[], unquote=True)
    return message.get_content_type(), {str(k).lower(): str(v) for k, v in parameters[1:]}


def split_parts(body: bytes, boundary: str) -> Iterator[tuple[str, memoryview]]:
    """Yield media type and content of every part.

    Raises
    ------
    MultipartError
        No part, a part without headers, or no closing delimiter.
    """
    if not boundary:
        raise MultipartError("a multipart answer must name its boundary; got none")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    # The first delimiter needs no line break before it.
    start = len(delimiter) - 2 if body.startswith(delimiter[2:]) else _after(body, delimiter, 0)
    view = memoryview(body)
    while body[start : start + 2] != b"--":
        end = body.find(delimiter, start)
        if end < 0:
            raise MultipartError("a multipart answer must end with its delimiter; it breaks off")
        yield _read_part(body, view, start, end)
        start = end + len(delimiter)


def _after(body: bytes, delimiter: bytes, start: int) -> int:
    found = body.find(delimiter, start)
    if found < 0:
        raise MultipartError("a multipart answer must hold its delimiter; it does not")
    return found + len(delimiter)


def _read_part(body: bytes, view: memoryview, start: int, end: int) -> tuple[str, memoryview]:
    blank = body.find(b"\r\n\r\n", start, end)
    if blank < 0:
        raise MultipartError("a part must have headers and a blank line; it has not")
    kind = ""
    for line in body[start:blank].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            kind = content_type(value.decode("latin-1").strip())[0]
    return kind, view[blank + 4 : end]
