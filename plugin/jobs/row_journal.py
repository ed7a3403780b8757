"""What a reading has written and whether it may write now: the journal, kept in its row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plugin.jobs.job_rows import JobRows, LeaseLost
from plugin.jobs.leases import Leases
from plugin.readings import Reading
from plugin.reporting.writer import BEGUN
from plugin.reporting.writer_lock import WriterLock, only_writer


class RowJournal:
    """Keeps in the reading's row what has been written, so that a restarted job knows it.

    Attributes
    ----------
    resumed : bool
        An earlier attempt had begun to write.
    """

    def __init__(self, rows: JobRows[Reading], row: Reading, owner: str, leases: Leases) -> None:
        self._rows, self._id, self._owner, self._leases = rows, row.id, owner, leases
        self._lock = WriterLock(rows.database, leases.lease_s)
        self.steps: list[str] = list((row.report or {}).get("journal", []))
        self.resumed = bool(self.begun_keys())

    def note(self, step: str, key: str) -> None:
        """Remember a step.

        Raises
        ------
        LeaseLost
            Another worker has taken over: nothing more must be written.
        """
        if not self._lock.is_held(key, self._lock_owner):
            raise LeaseLost
        if not self.has(step, key):
            self.steps.append(f"{step} {key}")
        self._rows.save(self._id, self._owner, report={"journal": self.steps})

    def has(self, step: str, key: str) -> bool:
        """Tell whether a step was noted."""
        return f"{step} {key}" in self.steps

    def begun_keys(self) -> list[str]:
        """Give the keys under which something may have been written.

        More than one if the images or the model changed between two attempts.
        """
        noted = [step.split(" ", 1) for step in self.steps]
        return [parts[1] for parts in noted if parts[0] == BEGUN and len(parts) == 2]

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Be the only job that writes the reading with this key.

        Raises
        ------
        WriterBusy
        """
        owner = self._lock_owner
        with only_writer(self._lock, key, owner), self._leases.hold(self._lock, key, owner):
            yield

    @property
    def _lock_owner(self) -> str:
        return f"{self._id}/{self._owner}"
