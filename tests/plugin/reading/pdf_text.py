"""What a report's PDF says."""

from __future__ import annotations

import base64
import re
import zlib


def pages(pdf: bytes) -> list[str]:
    """The text of each page, lines joined by blanks; brackets are escaped as PDF writes them."""
    streams = re.findall(rb"stream\r?\n(.*?)~>\s*endstream", pdf, re.DOTALL)
    drawn = [zlib.decompress(base64.a85decode(stream)).decode("cp1252") for stream in streams]
    return [" ".join(re.findall(r"\((.*?)(?<!\\)\) Tj", page)) for page in drawn]


def text_of(pdf: bytes) -> str:
    """The text of all pages as a person reads it."""
    return " ".join(pages(pdf)).replace("\\(", "(").replace("\\)", ")")
