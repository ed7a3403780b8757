"""Decoded images within a bound of memory, however large a study is; the last few stay warm."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from inference.errors import ImageTooLarge
from inference.images import DicomFacts, Image, read_image

# What is held at a time: one image of the common detectors (4300 x 4300), or several of everyday
# size. With models and libraries (250 MB) a worker stays below 500 MB.
OPEN_BYTES = 225_000_000
# What one image may need while no other is open: uncompressed, 5000 x 5000.
ALONE_BYTES = 300_000_000
# What stays decoded for the next job: two chest X-rays of everyday size.
WARM_BYTES = 64 * 1024 * 1024
# Measured at the peak of decoding: stored values twice, their table index, what is shown (float32).
BYTES_PER_PIXEL = 10
# Two files may share a lock; then one of them waits without need.
LOCKS = 16


@dataclass(frozen=True)
class StudyImage:
    """One image of a fetched study; its pixels stay in the file until somebody opens it.

    Attributes
    ----------
    facts : DicomFacts
        The header's, with what the chart adds.
    """

    path: Path
    facts: DicomFacts
    warm: WarmImages

    @contextmanager
    def opened(self) -> Iterator[Image]:
        """Give the decoded image for as long as it is needed.

        Raises
        ------
        PixelError, ImageTooLarge
        """
        with self.warm.opened(self.path, self.facts) as image:
            yield replace(image, facts=self.facts)


class WarmImages:
    """Decodes images of all jobs of a worker, each within what memory is left.

    Parameters
    ----------
    open_bytes : int
        Memory for images that jobs work on; a job waits until there is enough for its next one.
    alone_bytes : int
        Memory for an image that needs more than that: it waits until no other is open, and others
        wait for it.
    warm_bytes : int
        Memory for decoded images that nobody works on; the reading need not decode what was just
        shown.
    """

    def __init__(
        self,
        open_bytes: int = OPEN_BYTES,
        warm_bytes: int = WARM_BYTES,
        alone_bytes: int = ALONE_BYTES,
    ) -> None:
        self._open_bytes, self._warm_bytes = open_bytes, warm_bytes
        self._alone_bytes = max(open_bytes, alone_bytes)
        self._in_use = 0
        self._kept: OrderedDict[Path, Image] = OrderedDict()
        self._changed = threading.Condition()
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))

    @contextmanager
    def opened(self, path: Path, facts: DicomFacts) -> Iterator[Image]:
        """Decode an image, or take it warm. A job holds one at a time, so none waits for itself.

        Raises
        ------
        ImageTooLarge
            It needs more memory than one image may use alone; nothing was decoded.
        PixelError
            It is damaged.
        """
        weight = (facts.rows or 0) * (facts.columns or 0) * BYTES_PER_PIXEL + path.stat().st_size
        if weight > self._alone_bytes:
            raise ImageTooLarge(
                f"An image may need up to {self._alone_bytes // 10**6} MB of memory to be shown or "
                "read; one image of this study needs more."
            )
        self._reserve(weight)
        try:
            with self._locks[hash(path) % LOCKS]:
                image = self._warm(path) or self._keep(path, read_image(path))
            yield image
        finally:
            self._release(weight)

    def _reserve(self, weight: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(weight))
            self._in_use += weight
            self._shrink()

    def _has_room(self, weight: int) -> bool:
        return self._in_use == 0 or self._in_use + weight <= self._open_bytes

    def _release(self, weight: int) -> None:
        with self._changed:
            self._in_use -= weight
            self._changed.notify_all()

    def _warm(self, path: Path) -> Image | None:
        with self._changed:
            if path in self._kept:
                self._kept.move_to_end(path)
            return self._kept.get(path)

    def _keep(self, path: Path, image: Image) -> Image:
        if _size(image) <= self._warm_bytes:
            with self._changed:
                self._kept[path] = image
                self._shrink()
        return image

    def _shrink(self) -> None:
        """Let the images go that were used longest ago: what is in use comes first."""
        limit = max(0, min(self._warm_bytes, self._open_bytes - self._in_use))
        while sum(_size(image) for image in self._kept.values()) > limit:
            self._kept.popitem(last=False)


def _size(image: Image) -> int:
    return image.pixels.nbytes + image.stored.nbytes
