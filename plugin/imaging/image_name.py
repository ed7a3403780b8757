"""Which image a file on disk is, without parsing its whole header.

Asked of every image as it arrives, so that one that did not come is noticed by name; parsing the
header takes fifty times as long and is done once, later, for everything else that it says. What is
not read here with certainty is left to the parser.

References
----------
DICOM PS3.10 7.1 (File Meta Information); PS3.5 7.1 (Data Elements), A.1, A.2 (transfer syntaxes)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from inference.images import read_facts

_UID = re.compile(rb"[0-9.]{1,64}")
_TRANSFER_SYNTAX = (0x0002, 0x0010)
_SOP_INSTANCE_UID = (0x0008, 0x0018)
_IMPLICIT = b"1.2.840.10008.1.2"
# Big endian and deflated: rare, and not read here.
_OTHERS = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")
# Value representations whose length has four bytes, after two that are reserved.
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
# What comes before is a few hundred bytes, unless somebody put private information there.
_HEAD_BYTES = 4096

Tag = tuple[int, int]


def sop_instance_uid(path: Path) -> str | None:
    """Read the SOP Instance UID of a DICOM file; None if it has none.

    Raises
    ------
    NotAnImage
        It is no DICOM file.
    """
    with path.open("rb") as file:
        found = _quickly(file.read(_HEAD_BYTES))
    return found or read_facts(path).sop_instance_uid


def _quickly(head: bytes) -> str | None:
    if head[128:132] != b"DICM":
        return None
    syntax, at = b"", 132
    for tag, value in _elements(head, at, explicit=True):
        if tag[0] != 0x0002:
            break
        syntax = _text(head[value]) if tag == _TRANSFER_SYNTAX else syntax
        at = value.stop
    if not syntax or syntax in _OTHERS:
        return None
    for tag, value in _elements(head, at, explicit=syntax != _IMPLICIT):
        if tag >= _SOP_INSTANCE_UID:
            uid = _text(head[value]) if value.stop <= len(head) else b""
            known = tag == _SOP_INSTANCE_UID and _UID.fullmatch(uid)
            return uid.decode("ascii") if known else None
    return None


def _elements(head: bytes, at: int, *, explicit: bool) -> Iterator[tuple[Tag, slice]]:
    """Walk over the data elements, little endian; gives where each value lies."""
    while at + 12 <= len(head):
        tag = _number(head, at, 2), _number(head, at + 2, 2)
        if not explicit:
            start, size = at + 8, _number(head, at + 4, 4)
        elif head[at + 4 : at + 6] in _LONG:
            start, size = at + 12, _number(head, at + 8, 4)
        else:
            start, size = at + 8, _number(head, at + 6, 2)
        at = start + size
        yield tag, slice(start, at)


def _number(head: bytes, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "little")


def _text(value: bytes) -> bytes:
    """Give a UID without its padding (PS3.5 6.2)."""
    return value.rstrip(b"\0 ")
