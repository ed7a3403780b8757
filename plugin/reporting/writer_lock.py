"""One writer per reading key: a row that only one job can hold, on every database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CursorResult, delete, or_, update
from sqlalchemy.exc import IntegrityError

from plugin.database import Database
from plugin.errors import PluginError
from plugin.readings import Writer

WAIT_SECONDS = 15.0
POLL_SECONDS = 0.05


class WriterBusy(PluginError):  # noqa: N818 (passes by itself)
    """Another job writes the same reading and does not finish."""

    code = "writer_busy"
    title = "The report is being written by somebody else"
    next_step = "Try again in a minute."
    status = 409
    retryable = True


class WriterLock:
    """The rows of writers; a lease that is not renewed runs out, as that of a job does."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database, self._lease_s = database, lease_s

    def take(self, key: str, owner: str) -> bool:
        """Take a key that nobody holds."""
        now = time.time()
        values = {"owner": owner, "lease_until": now + self._lease_s}
        free = or_(Writer.owner == owner, Writer.lease_until < now)
        if self._change(key, free, values):
            return True
        try:
            with self._database.session() as session:
                session.add(Writer(key=key, **values))
            return True
        except IntegrityError:
            return False

    def is_held(self, key: str, owner: str) -> bool:
        """Renew the lease of a key; False if another job has taken it over."""
        values = {"lease_until": time.time() + self._lease_s}
        return self._change(key, Writer.owner == owner, values)

    def renew(self, held: Iterable[tuple[str, str]], lease_s: float) -> None:
        """Renew the leases of keys, given as (key, owner)."""
        del lease_s  # one length for all
        for key, owner in held:
            self.is_held(key, owner)

    def free(self, key: str, owner: str) -> None:
        """Let the next job write."""
        with self._database.session() as session:
            session.execute(delete(Writer).where(Writer.key == key, Writer.owner == owner))

    def _change(self, key: str, which: Any, values: dict[str, Any]) -> bool:
        with self._database.session() as session:
            changed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                update(Writer).where(Writer.key == key, which).values(values)
            )
            return bool(changed.rowcount)


@contextmanager
def only_writer(lock: WriterLock, key: str, owner: str) -> Iterator[None]:
    """Hold the key while writing; wait for another holder.

    Parameters
    ----------
    owner : str
        Names the reading and the worker's claim of it: a worker that was replaced while it slept
        does not share the lock with the one that replaced it.

    Raises
    ------
    WriterBusy
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not lock.take(key, owner):
        if time.monotonic() > deadline:
            raise WriterBusy("A report is written by one job at a time; another one is at it.")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.free(key, owner)
