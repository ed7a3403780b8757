"""Images and pictures on disk, private to the launch that fetched them, for a limited time.

The folder's name follows from launch and study, so that the reading finds what the opening fetched
and no other launch ever does: its user's own token has not fetched them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
# Two folders may share a lock; then one of them waits without need.
LOCKS = 64


class ImageCache:
    """The cache below `data_dir`.

    Parameters
    ----------
    data_dir : Path
        Wetread's private folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "cache"
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))

    def lock(self, folder: Path) -> threading.Lock:
        """Give the lock of a folder within this process.

        An opening and a reading of one study fetch and decode once: the later one waits.
        """
        return self._locks[hash(folder) % LOCKS]

    def folder(self, launch_id: str, study_id: str) -> Path:
        """Give the folder of one study as one launch sees it."""
        name = hashlib.sha256(f"{launch_id}\n{study_id}".encode()).hexdigest()[:40]
        return self.root / "studies" / name

    def results(self, reading_id: str) -> Path:
        """Give the folder of what came out of one reading."""
        name = hashlib.sha256(reading_id.encode()).hexdigest()[:40]
        return self.root / "readings" / name

    def images(self, folder: Path, fingerprint: str) -> list[Path]:
        """List the images fetched for this state of the study; empty if they must be fetched."""
        return sorted((folder / _images(fingerprint)).glob("*.dcm"))

    @contextmanager
    def filling(self, folder: Path, fingerprint: str) -> Iterator[Path]:
        """Give a folder to put fetched images into; all of them are kept or, after an error, none.

        `images` lists them afterwards: these, or those of a worker that was faster.
        """
        make_private(folder)
        waiting = Path(tempfile.mkdtemp(prefix="fetching-", dir=folder))
        try:
            yield waiting
            _move(waiting, folder / _images(fingerprint))
        finally:
            shutil.rmtree(waiting, ignore_errors=True)

    def forget_images(self, folder: Path, fingerprint: str) -> None:
        """Have the images fetched again: these turned out not to be what they should be."""
        shutil.rmtree(folder / _images(fingerprint), ignore_errors=True)

    def pictures(self, folder: Path, fingerprint: str) -> Path:
        """Give the folder of what was drawn of this state of the study."""
        return folder / f"pictures-{fingerprint}"

    def purge(self, older_than_s: float) -> int:
        """Delete folders that nobody has written to for so long; gives their number."""
        limit = time.time() - older_than_s
        old = [f for f in self.root.glob("*/*") if f.is_dir() and f.stat().st_mtime < limit]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)


def _move(waiting: Path, place: Path) -> None:
    """Give a filled folder its name, unless another worker process was faster."""
    try:
        waiting.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, that only this user can enter."""
    missing = [folder, *folder.parents]
    for place in reversed([p for p in missing if not p.exists()]):
        place.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by this user only."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(PRIVATE_FILE)
    Path(name).replace(path)


def _images(fingerprint: str) -> str:
    return f"images-{fingerprint}"
