"""A multipart/related body taken apart as it arrives, strictly: half a body is an error.

dicomweb-client yields what arrived when the closing delimiter is missing; here that would turn a
broken connection into a study with fewer images. No more of a body is held than one of its pieces.

References
----------
DICOM PS3.18 8.6.1.2 (Multipart media types); RFC 2046 5.1.1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

# Delimiter line, headers of a part, what comes before the first: real ones have a few hundred.
MOST_HEADER_BYTES = 64 * 1024
# What follows the last part: a line break, in real answers.
MOST_EPILOGUE_BYTES = 1024

Part = tuple[str, Iterator[memoryview]]


class MultipartError(ValueError):
    """The message breaks the rules of multipart/related."""


def content_type(header: str) -> tuple[str, dict[str, str]]:
    """Read a Content-Type header: the media type in lower case, and its parameters."""
    message = Message()
    message["Content-Type"] = header
    parameters = message.get_params(failobj=[], unquote=True)
    return message.get_content_type(), {str(k).lower(): str(v) for k, v in parameters[1:]}


def read_parts(pieces: Iterable[bytes], boundary: str) -> Iterator[Part]:
    """Yield media type and content of every part, the content in pieces.

    What is left of a part's content when the next part is asked for is passed over. A part is
    whole when its content has come to its end without an error.

    Raises
    ------
    MultipartError
        No boundary, a part without headers, or no closing delimiter.
    """
    if not boundary:
        raise MultipartError("a multipart answer must name its boundary; got none")
    body = _Body(pieces, b"\r\n--" + boundary.encode("latin-1", "replace"))
    for _ in body.until_delimiter(MOST_HEADER_BYTES):
        pass
    while not body.has_ended():
        kind = _media_type(body.header())
        content = body.until_delimiter()
        yield kind, content
        for _ in content:
            pass
    body.read_to_the_end()


class _Body:
    """The pieces that have arrived and are not used up.

    Parameters
    ----------
    delimiter : bytes
        With the line break that belongs to it.
    """

    def __init__(self, pieces: Iterable[bytes], delimiter: bytes) -> None:
        self._pieces = iter(pieces)
        self._delimiter = delimiter
        # The first delimiter needs no line break before it.
        self._held, self._at = b"\r\n", 0

    def until_delimiter(self, limit: int | None = None) -> Iterator[memoryview]:
        """Yield what comes before the next delimiter, and pass it."""
        seen, tail = 0, len(self._delimiter) - 1
        while (found := self._held.find(self._delimiter, self._at)) < 0:
            # The last bytes may be the beginning of a delimiter.
            sure = max(self._at, len(self._held) - tail)
            if sure > self._at:
                seen += sure - self._at
                yield memoryview(self._held)[self._at : sure]
            if limit is not None and seen > limit:
                raise MultipartError("a multipart answer must begin with its delimiter")
            self._take(sure)
        if found > self._at:
            yield memoryview(self._held)[self._at : found]
        self._at = found + len(self._delimiter)

    def has_ended(self) -> bool:
        """Tell whether the delimiter just passed is the closing one."""
        while len(self._held) - self._at < 2:
            self._take(self._at)
        return self._held.startswith(b"--", self._at)

    def header(self) -> bytes:
        """Give the rest of the delimiter's line and the headers after it; pass the blank line."""
        while (end := self._held.find(b"\r\n\r\n", self._at)) < 0:
            if len(self._held) - self._at > MOST_HEADER_BYTES:
                raise MultipartError("a part must have headers and a blank line; it has not")
            self._take(self._at)
        header = self._held[self._at : end]
        if self._delimiter in header:
            raise MultipartError("a part must have headers and a blank line; it has not")
        self._at = end + 4
        return header

    def read_to_the_end(self) -> None:
        """Pass over what follows the closing delimiter: the connection can then be used again.

        More than a little is left unread, and its connection given up: it is no image.
        """
        passed = len(self._held) - self._at
        while passed <= MOST_EPILOGUE_BYTES and (piece := next(self._pieces, None)) is not None:
            passed += len(piece)

    def _take(self, used: int) -> None:
        """Let go what is used up, and wait for the next piece."""
        piece = next(self._pieces, None)
        if piece is None:
            raise MultipartError("a multipart answer must end with its delimiter; it breaks off")
        self._held, self._at = self._held[used:] + piece, 0


def _media_type(header: bytes) -> str:
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            return content_type(value.decode("latin-1").strip())[0]
    return ""
