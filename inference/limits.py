"""How large an image may claim to be. Checked on header values, before anything is allocated."""

from __future__ import annotations

from inference.errors import ImageTooLarge, PixelError

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_SIDE = 20_000
# The largest radiography detectors make about 18 million pixels (4300 x 4300). At 40 million, one
# frame as stored values plus float32 stays near 300 MB, inside a worker's memory.
MAX_PIXELS = 40_000_000


def check_size(rows: int, columns: int) -> None:
    """Refuse a claimed size that is empty or beyond the limits.

    Raises
    ------
    PixelError
        No rows or no columns.
    ImageTooLarge
        Beyond `MAX_SIDE` or `MAX_PIXELS`.
    """
    if rows < 1 or columns < 1:
        raise PixelError(f"An image must have rows and columns; got {rows} x {columns}.")
    if max(rows, columns) > MAX_SIDE or rows * columns > MAX_PIXELS:
        raise ImageTooLarge(
            f"An image may have at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} on a side; "
            f"the file claims {rows:,} x {columns:,}."
        )


def check_file_size(size: int) -> None:
    """Refuse a file, or its inflated content, beyond `MAX_FILE_BYTES`."""
    if size > MAX_FILE_BYTES:
        raise ImageTooLarge(
            f"A file may have at most {MAX_FILE_BYTES // 2**20} MiB; got more than that."
        )
