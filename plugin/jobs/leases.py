"""Renews the leases of jobs and locks that this worker holds, in one thread for all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger("wetread.jobs")


class Renewable(Protocol):
    """Rows that somebody holds for a time."""

    def renew(self, held: Iterable[tuple[str, str]], lease_s: float) -> None:
        """Prolong the leases of rows, given as (id, owner)."""


Held = tuple[Renewable, str, str]


class Leases(threading.Thread):
    """Renews until `stop`; a job is under its care while the block of `hold` runs.

    Parameters
    ----------
    lease_s : float
        How long a renewal lasts; renewed four times as often.
    """

    def __init__(self, lease_s: float) -> None:
        super().__init__(name="leases", daemon=True)
        self.lease_s = lease_s
        self._held: set[Held] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @contextmanager
    def hold(self, rows: Renewable, row_id: str, owner: str) -> Iterator[None]:
        """Keep one row's lease alive."""
        entry = (rows, row_id, owner)
        with self._lock:
            self._held.add(entry)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(entry)

    def run(self) -> None:
        """Renew; a database that fails for a moment does not end it."""
        while not self._stopped.wait(self.lease_s / 4):
            with self._lock:
                held = list(self._held)
            for rows, row_id, owner in held:
                try:
                    rows.renew([(row_id, owner)], self.lease_s)
                except SQLAlchemyError as error:
                    log.warning("lease_not_renewed", extra={"job": row_id}, exc_info=error)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
