"""multipart/related (RFC 2387), read and written piece by piece: a study need not fit in memory.

The splitting is Werkzeug's streaming decoder. It is made for forms, whose parts must have a
Content-Disposition; DICOM parts have none, so one is put in while the headers are read.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import IO

from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from sandbox.dicomweb.errors import BadQuery, UnsupportedBody

MOST_PARTS = 2000
_PIECE = 1 << 18
# Line break, dashes and transport padding (RFC 2046 section 5.1.1) around a boundary.
_LONGEST_REST = 64


class _RelatedDecoder(MultipartDecoder):
    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        headers = super()._parse_headers(data)
        headers.set("Content-Disposition", "attachment")
        return headers

    def _last_partial_boundary_index(self, data: bytes | bytearray) -> int:
        # Werkzeug 3.1.9 gives out the CR of a delimiter as data when a read ends between the
        # boundary and what follows it ("\r\n--b" + "-"). So a tail that is longer than any
        # delimiter is always kept back; it is given out when the delimiter is complete.
        return max(0, len(data) - len(self.boundary) - _LONGEST_REST)


def boundary_of(content_type: str) -> bytes:
    """Boundary of a multipart/related body of DICOM files.

    Raises
    ------
    UnsupportedBody
        If it is another media type, or its parts are.
    BadQuery
        If it names no usable boundary.
    """
    media_type, options = parse_options_header(content_type)
    if media_type.lower() != "multipart/related":
        raise UnsupportedBody("Instances are stored from multipart/related; got another media type")
    if options.get("type", "application/dicom").lower() != "application/dicom":
        raise UnsupportedBody("Only parts of type application/dicom are stored; got another type")
    boundary = options.get("boundary", "")
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise BadQuery("The boundary must have 1 to 70 ASCII characters (RFC 2046)")
    return boundary.encode("ascii")


def read_parts(stream: IO[bytes], boundary: bytes) -> Iterator[tuple[Headers, Iterator[bytes]]]:
    """Read the parts of a body one after the other.

    Each part's pieces must be used up before the next part is asked for.

    Yields
    ------
    tuple of (Headers, iterator of bytes)

    Raises
    ------
    BadQuery
        If the body is cut short or is not multipart.
    """
    events = _events(stream, boundary)
    for event in events:
        if isinstance(event, (Field, File)):
            yield event.headers, _pieces(events)
        elif isinstance(event, Epilogue):
            return


def _pieces(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Data):
            yield event.data
            if not event.more_data:
                return


def _events(stream: IO[bytes], boundary: bytes) -> Iterator[Event]:
    decoder = _RelatedDecoder(boundary, max_parts=MOST_PARTS)
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(_PIECE) or None)
                continue
            yield event
            if isinstance(event, Epilogue):
                return
    except ClientDisconnected as error:
        raise BadQuery("The body must be as long as Content-Length says; it ended early") from error
    except RequestEntityTooLarge as error:
        raise BadQuery(f"At most {MOST_PARTS} instances can be stored at a time") from error
    except ValueError as error:
        raise BadQuery("The body must be complete multipart/related; it is cut short") from error


def new_boundary() -> str:
    """A boundary that no part contains."""
    return secrets.token_hex(16)


def write_parts(parts: Iterable[tuple[str, Iterable[bytes]]], boundary: str) -> Iterator[bytes]:
    """Write parts, each given as content type and pieces."""
    for content_type, pieces in parts:
        yield f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode("ascii")
        yield from pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
