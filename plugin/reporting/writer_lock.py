"""One writer per reading key: a row that only one job can hold, on every database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CursorResult, delete, or_, update
from sqlalchemy.exc import IntegrityError

from plugin.database import Database
from plugin.errors import PluginError
from plugin.readings import Writer

# Longer than all requests of one write with their retries may take.
LEASE_SECONDS = 300.0
WAIT_SECONDS = 15.0
POLL_SECONDS = 0.05


class WriterBusy(PluginError):  # noqa: N818 (passes by itself)
    """Another job writes the same reading and does not finish."""

    code = "writer_busy"
    title = "The report is being written by somebody else"
    next_step = "Try again in a minute."
    status = 409
    retryable = True


@contextmanager
def only_writer(database: Database, key: str, owner: str) -> Iterator[None]:
    """Hold the key while writing; wait for another holder.

    Parameters
    ----------
    owner : str
        Id of the reading, not of the worker: after a crash the same reading takes its lock again.

    Raises
    ------
    WriterBusy
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not _take(database, key, owner):
        if time.monotonic() > deadline:
            raise WriterBusy("A report is written by one job at a time; another one is at it.")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with database.session() as session:
            session.execute(delete(Writer).where(Writer.key == key, Writer.owner == owner))


def _take(database: Database, key: str, owner: str) -> bool:
    now = time.time()
    mine = or_(Writer.owner == owner, Writer.lease_until < now)
    values = {"owner": owner, "lease_until": now + LEASE_SECONDS}
    with database.session() as session:
        taken: CursorResult[Any] = session.execute(  # type: ignore[assignment]
            update(Writer).where(Writer.key == key, mine).values(values)
        )
        if taken.rowcount:
            return True
    try:
        with database.session() as session:
            session.add(Writer(key=key, **values))
        return True
    except IntegrityError:
        return False
