"""The size that a compressed frame itself claims (JPEG, JPEG-LS, JPEG 2000, RLE).

Decoders allocate by the codestream, not by the DICOM header, so both must agree before one runs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from inference.errors import PixelError

# SOF0..SOF15 without DHT (C4), JPG (C8), DAC (CC); SOF55 (F7) is JPEG-LS.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_JPEG_2000_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class CodestreamSize:
    """What a codestream's own header claims."""

    rows: int
    columns: int
    components: int
    bits: int


def read_size(codestream: bytes) -> CodestreamSize:
    """Read the size from the header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    Raises
    ------
    PixelError
        The bytes are none of them, or end before their header does.

    References
    ----------
    ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1 and I.5 (boxes).
    """
    try:
        if codestream.startswith(b"\xff\xd8"):
            return _jpeg_size(codestream)
        return _jpeg_2000_size(codestream[_jpeg_2000_offset(codestream) :])
    except (struct.error, IndexError) as error:
        raise PixelError("A compressed frame must have a whole header; it breaks off.") from error


def _jpeg_size(data: bytes) -> CodestreamSize:
    position = 2
    while True:
        if data[position] != 0xFF:
            raise PixelError("A JPEG header must be a chain of markers; the chain is broken.")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        elif marker in _START_OF_FRAME:
            bits, rows, columns, parts = struct.unpack_from(">BHHB", data, position + 4)
            return CodestreamSize(rows, columns, parts, bits)
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]


def jpeg_is_complete(data: bytes) -> bool:
    """Tell whether an end marker follows the first scan.

    The chain of markers is followed, because an EXIF thumbnail has scans and ends of its own.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", position) >= 0
        if marker == 0xFF:
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False


def _jpeg_2000_offset(data: bytes) -> int:
    """Where the codestream starts: at 0, or in the jp2c box of a JP2 file."""
    if not data.startswith(_JP2_SIGNATURE):
        return 0
    position = 0
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"jp2c":
            return position + 8
        if length < 8:  # a length of 0 would never end
            raise PixelError(f"A JP2 box must have at least 8 bytes; got {length}.")
        position += length


def _jpeg_2000_size(data: bytes) -> CodestreamSize:
    if not data.startswith(_JPEG_2000_START):
        raise PixelError(
            "A compressed frame must begin as JPEG, JPEG-LS or JPEG 2000; it does not."
        )
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    components, bits = struct.unpack_from(">HB", data, 40)
    return CodestreamSize(bottom - top, right - left, components, (bits & 0x7F) + 1)


def rle_length(frame: bytes) -> int:
    """Count the bytes that an RLE frame expands to, without expanding it.

    Raises
    ------
    PixelError
        The segment table is impossible.

    References
    ----------
    DICOM PS3.5 G.3 (PackBits), G.5 (RLE header).
    """
    if len(frame) < 64:
        raise PixelError(f"An RLE frame must have a header of 64 bytes; got {len(frame)} bytes.")
    count, *offsets = struct.unpack_from("<16I", frame)
    if not 1 <= count <= 15:
        raise PixelError(f"An RLE frame must have 1 to 15 segments; got {count}.")
    starts = offsets[:count]
    if starts != sorted(starts) or starts[0] < 64 or starts[-1] > len(frame):
        raise PixelError("RLE segments must lie in order inside the frame; they do not.")
    ends = [*starts[1:], len(frame)]
    return sum(_packbits_length(frame[a:b]) for a, b in zip(starts, ends, strict=True))


def _packbits_length(segment: bytes) -> int:
    position = total = 0
    while position < len(segment):
        header = segment[position]
        if header < 128:
            total += header + 1
            position += header + 2
        else:
            total += 257 - header if header > 128 else 0
            position += 2 if header > 128 else 1
    return total
