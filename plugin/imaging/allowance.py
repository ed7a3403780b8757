"""How much one study may take from its archive, counted over all connections."""

from __future__ import annotations

from threading import Lock

from plugin.imaging.pacs_errors import PacsError


class Stopped(Exception):  # noqa: N818 (an order, not an error)
    """Another connection of the same study has failed: nothing of this one is needed any more."""


class Allowance:
    """Counts images and bytes as they arrive; safe to share between threads.

    Parameters
    ----------
    images : int
        Images at most.
    image_bytes, study_bytes : int
        Size of one image and of all together.
    """

    def __init__(self, images: int, image_bytes: int, study_bytes: int) -> None:
        self.images, self.image_bytes, self.study_bytes = images, image_bytes, study_bytes
        self._images, self._bytes, self._stopped = 0, 0, False
        self._lock = Lock()

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
            total, stopped = self._bytes, self._stopped
        if stopped:
            raise Stopped
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
