"""An image archive on loopback that answers WADO-RS and QIDO-RS as told, also badly."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler

from tests.plugin.reading.conftest import dicom_file
from tests.plugin.reading.samples import STUDY_UID
from tests.smart_launch.loopback import Answering, Loopback, Says

KIND = 'multipart/related; type="application/dicom"; boundary=B'
HEAD = b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n"
END = b"\r\n--B--\r\n"
SERIES = tuple(f"{STUDY_UID}.{number}" for number in (1, 2, 3))


def uids(series: str, count: int) -> list[str]:
    """SOP Instance UIDs of a series."""
    return [f"{series}.{number}" for number in range(1, count + 1)]


def image(series: str, uid: str, **changes: object) -> bytes:
    """A very small radiograph."""
    small = {"Rows": 8, "Columns": 8, "PixelData": bytes(128)}
    return dicom_file(SOPInstanceUID=uid, SeriesInstanceUID=series, **small | changes)


def related(images: Iterable[bytes], *, end: bytes = END) -> bytes:
    """A multipart body."""
    return b"".join(HEAD + one for one in images) + end


class Archive:
    """What the archive holds, and where it stands."""

    def __init__(self, book: Loopback) -> None:
        self.book = book
        self.images: dict[tuple[str, str], bytes] = {}

    @property
    def url(self) -> str:
        return f"{self.book.url}/dicomweb"

    def path(self, series: str | None = None, uid: str | None = None) -> str:
        below = f"/series/{series}" if series else ""
        return f"/dicomweb/studies/{STUDY_UID}{below}" + (f"/instances/{uid}" if uid else "")

    def holds(self, series: str, count: int, **changes: object) -> list[str]:
        """Put images into a series, and answer for each, for the series and for the study."""
        names = uids(series, count)
        for uid in names:
            self.images[series, uid] = image(series, uid, **changes)
            self.says(self.images[series, uid], series, uid)
        self.says_series(series)
        self.says(related(self.images.values()))
        return names

    def says_series(self, series: str) -> None:
        self.says(related(one for key, one in self.images.items() if key[0] == series), series)

    def says(
        self, body: bytes | Answering, series: str | None = None, uid: str | None = None
    ) -> None:
        """Answer with one image, with a multipart body, or as given."""
        if isinstance(body, bytes):
            whole = body if body.lstrip().startswith(b"--B") else related([body])
            body = Says(200, whole, {"Content-Type": KIND})
        self.book.says("GET", self.path(series, uid), body)

    def lists(self, series: str, names: Iterable[str]) -> None:
        """Answer searches for the images of a series."""
        found = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in names]
        answer = Says(200, json.dumps(found).encode(), {"Content-Type": "application/dicom+json"})
        self.book.says("GET", self.path(series) + "/instances", answer)

    def asked(self) -> list[str]:
        """What was asked for, the part after the study."""
        return [one.path.removeprefix(self.path()).lstrip("/") for one in self.book.asked]


def written(
    *pieces: bytes, length: int | None = None, pause: Callable[[], None] | None = None
) -> Says:
    """An answer in pieces that ends when they do, whatever it promised."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", KIND)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            if pause is not None:
                pause()
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_WR)

    return Says(write=write)
