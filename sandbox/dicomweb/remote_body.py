"""Bodies to and from the PACS, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import requests

from sandbox.dicomweb.archive import chunks
from sandbox.dicomweb.multipart import new_boundary, write_parts

_KIND = "application/dicom"


class StoreBody:
    """multipart/related of files; its length is known, so the PACS needs no chunked coding.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Part 10 files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._boundary = new_boundary()
        self.content_type = f'multipart/related; type="{_KIND}"; boundary={self._boundary}'

    def __len__(self) -> int:
        frame = sum(len(piece) for piece in self._parts(empty=True))
        return frame + sum(path.stat().st_size for path in self._paths)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts(empty=False)

    def _parts(self, *, empty: bool) -> Iterator[bytes]:
        bodies = ((_KIND, () if empty else chunks(path)) for path in self._paths)
        return write_parts(bodies, self._boundary)


def pieces_of(answer: requests.Response) -> Iterator[bytes]:
    """Bytes of an answer as they arrive; the connection goes back when they are used up."""
    with answer:
        yield from answer.raw.stream(1 << 18, decode_content=False)
