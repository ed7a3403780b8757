"""The work folder: what an interrupted run has left, in one sentence."""

from __future__ import annotations

import time
from pathlib import Path

# Beside what the demo and the tests keep; git ignores it, and a restart of the machine does not
# empty it as it empties a temporary folder.
DEFAULT_WORK = Path("var") / "training"


def what_was_found(work: Path) -> str:
    """Say what is there to go on from.

    Parameters
    ----------
    work : pathlib.Path
        A folder with checkpoints, or one that does not exist yet.
    """
    files = [path for path in work.rglob("*") if path.is_file() and not _unfinished(path)]
    if not files:
        return f"Nothing to go on from in {work}: starting at the beginning."
    newest = max(files, key=lambda path: path.stat().st_mtime)
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest.stat().st_mtime))
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    return (
        f"Found in {work} (files: {len(files)}, {megabytes:.0f} MB; newest: "
        f"{newest.relative_to(work)} of {written}): the same settings and data go on from it."
    )


def _unfinished(path: Path) -> bool:
    """Checkpoints are written beside the old one first (`training.fitting.Checkpoint`)."""
    return path.name.endswith(".partial.npz")
