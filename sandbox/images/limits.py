"""How large a picture may claim to be, checked before a byte is set aside for it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from sandbox.images.errors import PictureRefused

# The largest flat detectors have about 5,000 x 4,300 pixels; scanned films up to 7,000 x 6,000.
MOST_PIXELS = 64_000_000
MOST_FILE_BYTES = 96 * 1024 * 1024


def check_pixels(columns: int, rows: int) -> None:
    """Refuse a picture that is too large or has no area.

    Raises
    ------
    PictureRefused
    """
    if rows < 1 or columns < 1:
        raise PictureRefused("A picture must have rows and columns; this one has none")
    if rows * columns > MOST_PIXELS:
        raise PictureRefused(
            f"A picture may have at most {MOST_PIXELS:,} pixels; this one claims "
            f"{columns:,} x {rows:,}"
        )


def check_claim(dataset: Dataset) -> None:
    """Refuse a data set whose header claims too large a picture.

    Raises
    ------
    PictureRefused
    """
    check_pixels(int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0))
