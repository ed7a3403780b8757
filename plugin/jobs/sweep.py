"""Sends again what a dead worker left or a lost message forgot; deletes what is past its time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete

from plugin.database import Database
from plugin.imaging.cache import ImageCache
from plugin.jobs.job_rows import JobRows
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, QUEUED, Reading, StudySeen, Writer
from plugin.settings import Settings

log = logging.getLogger("wetread.sweep")

CLEAN_SECONDS = 600.0

Send = Callable[[str], None]


def sweep(rows: JobRows[Any], send: Send, *, nudge_s: float) -> int:
    """Send every overdue row again; gives their number."""
    overdue = rows.overdue()
    rows.requeue(overdue, nudge_s)
    for row_id in overdue:
        send(row_id)
    if overdue:
        log.info("jobs_sent_again", extra={"kind": rows.kind.__tablename__, "count": len(overdue)})
    return len(overdue)


class Sweeper(threading.Thread):
    """Sweeps at once, then regularly, and as soon as a lease runs out."""

    def __init__(
        self,
        settings: Settings,
        cache: ImageCache,
        jobs: list[tuple[JobRows[Any], Send]],
    ) -> None:
        super().__init__(name="sweep", daemon=True)
        self._settings, self._cache, self._jobs = settings, cache, jobs
        self._stopped = threading.Event()
        self._cleaned = 0.0

    def run(self) -> None:
        """Work until `stop`; one failure does not end it."""
        while not self._stopped.is_set():
            try:
                for rows, send in self._jobs:
                    sweep(rows, send, nudge_s=self._settings.job_sweep_s)
                self._clean()
                pause = self._pause_s()
            except Exception as error:
                log.error("sweep_failed", exc_info=error)
                pause = self._settings.job_sweep_s
            self._stopped.wait(pause)

    def stop(self) -> None:
        """End the thread soon."""
        self._stopped.set()

    def _pause_s(self) -> float:
        """Wait for the next sweep, or for the lease of a dead worker if that ends sooner."""
        expiries = [rows.next_expiry() for rows, _ in self._jobs]
        soonest = min((e for e in expiries if e is not None), default=None)
        regular = self._settings.job_sweep_s
        if soonest is None:
            return regular
        return min(regular, max(0.2, soonest - time.time() + 0.1))

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned < CLEAN_SECONDS and self._cleaned:
            return
        self._cleaned = time.monotonic()
        self._cache.purge(self._settings.cache_hours * 3600)
        for rows, _ in self._jobs:
            rows.purge(self._settings.retention_days * 86400)
        purge_notes(self._jobs[0][0].database, self._settings.retention_days * 86400)


def purge_notes(database: Database, older_than_s: float) -> None:
    """Delete what launches have seen and locks that nobody holds, after so long."""
    limit = time.time() - older_than_s
    with database.session() as session:
        session.execute(delete(StudySeen).where(StudySeen.seen_at < limit))
        session.execute(delete(Writer).where(Writer.lease_until < limit))


def resume_awaiting(rows: JobRows[Reading], launch: OpenLaunch, *, nudge_s: float) -> list[str]:
    """Let the user's new launch finish what the last one could not write.

    Only the same user, the same EHR and the same patient; everything is read and checked again with
    the new launch's own token before anything is written.

    Returns
    -------
    list of str
        Ids to send.
    """
    if launch.user_key is None:
        return []
    return rows.move(
        (
            Reading.state == AWAITING_LAUNCH,
            Reading.issuer == launch.ehr.issuer,
            Reading.user_key == launch.user_key,
            Reading.patient == launch.context.require_patient(),
        ),
        state=QUEUED,
        launch_id=launch.id,
        attempts=0,
        problem=None,
        lease_owner=None,
        lease_until=rows.clock() + nudge_s,
    )
