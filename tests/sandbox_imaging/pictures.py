"""Pictures to bring: good ones, junk, and ones that lie about their size."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(
    kind: str = "PNG", mode: str = "L", size: tuple[int, int] = (40, 30), **more: object
) -> bytes:
    """A gradient, dark on the left, bright on the right."""
    columns, rows = size
    ramp = np.tile(np.linspace(0, 255, columns).astype(np.uint8), (rows, 1))
    buffer = io.BytesIO()
    image = Image.fromarray(ramp)
    if mode == "RGB":
        image = Image.merge("RGB", (image, image.rotate(180), Image.new("L", size, 90)))
    elif mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode == "grey RGB":
        image = Image.merge("RGB", (image, image, image))
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def png_claiming(columns: int, rows: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge picture."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 64)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
