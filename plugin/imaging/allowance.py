"""How much one study may take from its archive, and how long, counted over all connections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock

from plugin.imaging.pacs_errors import PacsError, PacsUnavailable


class Stopped(Exception):  # noqa: N818 (an order, not an error)
    """Another connection of the same study has failed: nothing of this one is needed any more."""


@dataclass(frozen=True)
class Pace:
    """How long a study may take, by what of it has arrived: a slow line may go on, a drip may not.

    Attributes
    ----------
    start_s, image_s : float
        Seconds for the archive to begin, and for each image.
    bytes_per_s : float
        Slowest on the whole.
    """

    start_s: float = 300.0
    image_s: float = 0.5
    bytes_per_s: float = 256 * 1024

    def most_s(self, images: int, image_bytes: int) -> float:
        """Give the longest time in which so much must have arrived."""
        return self.start_s + images * self.image_s + image_bytes / self.bytes_per_s


class Allowance:
    """Counts images and bytes as they arrive; safe to share between threads.

    Parameters
    ----------
    images : int
        Images at most.
    image_bytes, study_bytes : int
        Size of one image and of all together.
    pace : Pace
        From `begin` on.
    """

    def __init__(
        self, images: int, image_bytes: int, study_bytes: int, pace: Pace | None = None
    ) -> None:
        self.images, self.image_bytes, self.study_bytes = images, image_bytes, study_bytes
        self.pace, self._began = pace or Pace(), time.monotonic()
        self._images, self._bytes, self._stopped = 0, 0, False
        self._lock = Lock()

    def begin(self) -> None:
        """Count the time from now on."""
        self._began = time.monotonic()

    def go_on_or_stop(self) -> None:
        """Look whether waiting for more is worth it.

        Raises
        ------
        PacsUnavailable
            So little has arrived that the archive must be in trouble.
        Stopped
        """
        with self._lock:
            stopped, most_s = self._stopped, self.pace.most_s(self._images, self._bytes)
        if stopped:
            raise Stopped
        if time.monotonic() - self._began > most_s:
            raise PacsUnavailable("The image archive must send a study in time; it is too slow.")

    def bytes_left(self) -> int:
        """Say how large an answer may be."""
        with self._lock:
            return max(0, self.study_bytes - self._bytes)

    def expect(self, images: int) -> None:
        """Refuse a study that is said to have too many images.

        Raises
        ------
        PacsError
        """
        if images > self.images:
            raise PacsError(
                f"A study is read with up to {self.images} images; this one has more.",
                code="too_many_images",
                next_step="Ask your Wetread administrator to raise the limit.",
            )

    def one_image(self) -> None:
        """Count an image that begins to arrive: an archive may send more than the record lists.

        Raises
        ------
        PacsError
        """
        with self._lock:
            self._images += 1
            arrived = self._images
        self.expect(arrived)

    def take(self, piece: int, image: int) -> None:
        """Count a piece of an image.

        Parameters
        ----------
        piece, image : int
            Bytes of the piece, and of its image so far, the piece included.

        Raises
        ------
        PacsError, Stopped
        """
        with self._lock:
            self._bytes += piece
            total = self._bytes
        self.go_on_or_stop()
        if image > self.image_bytes:
            raise too_large("image")
        if total > self.study_bytes:
            raise too_large("study")

    def stop(self) -> None:
        """Have the other connections give up at their next piece."""
        with self._lock:
            self._stopped = True

    def go_on(self) -> None:
        """Count on, once they have given up."""
        with self._lock:
            self._stopped = False


def too_large(what: str) -> PacsError:
    """Give the error for an ``image`` or a ``study`` beyond its size."""
    return PacsError(
        f"The {what} must be within the size that Wetread's settings allow; it is larger.",
        code=f"{what}_too_large",
        next_step="Ask your Wetread administrator to raise the limit.",
    )
