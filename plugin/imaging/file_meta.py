"""Which image a file on disk says it is, without parsing the whole header.

Asked of every image as it arrives, so that one that did not come is noticed by name; parsing the
header takes a hundred times as long. What decides whose image it is comes from the header itself,
later, and must name the same image.

References
----------
DICOM PS3.10 7.1 (File Meta Information); PS3.5 7.1.2 (explicit VR)
"""

from __future__ import annotations

import re
from pathlib import Path

from inference.images import read_facts

_UID = re.compile(rb"[0-9.]{1,64}")
_MEDIA_STORAGE_SOP_INSTANCE_UID = b"\x02\x00\x03\x00"
_META_GROUP = b"\x02\x00"
# Value representations whose length has four bytes, after two that are reserved.
_LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT")
# The group is a few hundred bytes, unless somebody put private information into it.
_HEAD_BYTES = 4096


def sop_instance_uid(path: Path) -> str | None:
    """Read the SOP Instance UID of a DICOM file; None if it has none.

    Raises
    ------
    NotAnImage
        It is no DICOM file.
    """
    with path.open("rb") as file:
        found = _from_meta(file.read(_HEAD_BYTES))
    return found or read_facts(path).sop_instance_uid


def _from_meta(head: bytes) -> str | None:
    """Read the group 0002; None where it does not say, or not in the first bytes."""
    at = 132 if head[128:132] == b"DICM" else len(head)
    while head[at : at + 2] == _META_GROUP:
        tag, long = head[at : at + 4], head[at + 4 : at + 6] in _LONG
        size = int.from_bytes(head[at + 8 : at + 12] if long else head[at + 6 : at + 8], "little")
        at += 12 if long else 8
        if tag == _MEDIA_STORAGE_SOP_INSTANCE_UID:
            value = head[at : at + size].rstrip(b"\0 ")
            return value.decode("ascii") if _UID.fullmatch(value) else None
        at += size
    return None
