"""Claim, renew, save and finish the rows of jobs. Every change is a compare-and-swap on the lease.

A worker that lost its lease (it was stopped for too long and another one took over) changes nothing
any more: `LeaseLost` ends its work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, CursorResult, case, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from plugin.database import Database
from plugin.errors import PluginError
from plugin.readings import QUEUED, RUNNING, UNFINISHED, Opening, Reading

Row = TypeVar("Row", Opening, Reading)


class LeaseLost(Exception):  # noqa: N818 (an event, not a fault)
    """Another worker has taken the job over."""


class TooManyJobs(PluginError):  # noqa: N818 (named for what the user did)
    """One launch asks for more than its share."""

    code = "too_many_jobs"
    title = "Wetread is still busy with your earlier requests"
    next_step = "Wait until one of them has finished, then try again."
    status = 429


class JobRows(Generic[Row]):
    """The rows of one kind of job.

    Parameters
    ----------
    database : Database
    kind : type
        `Opening` or `Reading`.
    clock : callable
        Seconds since the epoch.
    """

    def __init__(
        self, database: Database, kind: type[Row], clock: Callable[[], float] = time.time
    ) -> None:
        self.database, self.clock = database, clock
        self.kind: type[Row] = kind

    def add(self, row: Row, *, nudge_s: float, limit: int) -> tuple[str, bool]:
        """Add a queued row, unless the same job is open already.

        Parameters
        ----------
        nudge_s : float
            The sweep sends the row again if no worker has taken it by then.
        limit : int
            Unfinished jobs that a launch may have.

        Returns
        -------
        tuple of str and bool
            The row's id, and whether it is a new one.

        Raises
        ------
        TooManyJobs
        """
        now = self.clock()
        row.created_at = row.updated_at = now
        row.state, row.lease_until = QUEUED, now + nudge_s
        same = select(self.kind.id).where(self.kind.open_key == row.open_key)
        with self.database.session() as session:
            found = session.scalar(same)
            if found is not None:
                return found, False
            open_rows = (self.kind.launch_id == row.launch_id, self.kind.state.in_(UNFINISHED))
            if len(session.scalars(select(self.kind.id).where(*open_rows)).all()) >= limit:
                raise TooManyJobs(f"A page may have {limit} unfinished jobs; it has as many.")
        try:
            with self.database.session() as session:
                session.add(row)
                session.flush()
                return row.id, True
        except IntegrityError:
            # The other click of a double click was faster.
            with self.database.session() as session:
                return session.scalars(same).one(), False

    def get(self, row_id: str) -> Row | None:
        """Read a row; None if there is none."""
        with self.database.session() as session:
            return session.get(self.kind, row_id)

    def runs_alone(self, row_id: str) -> bool:
        """Tell whether a worker has died with this job in hand."""
        row = self.get(row_id)
        if row is None or row.state not in UNFINISHED:
            return False
        died = row.state == RUNNING and row.lease_until < self.clock()
        return row.broke_off > 0 or died

    def claim(self, row_id: str, owner: str, lease_s: float) -> Row | None:
        """Take a job that is queued, or whose worker is dead; None if it is neither."""
        now = self.clock()
        free = or_(
            self.kind.state == QUEUED,
            (self.kind.state == RUNNING) & (self.kind.lease_until < now),
        )
        values = {
            "state": RUNNING,
            "lease_owner": owner,
            "lease_until": now + lease_s,
            "attempts": self.kind.attempts + 1,
            "broke_off": self._broke_off(),
            "updated_at": now,
        }
        statement = update(self.kind).where(self.kind.id == row_id, free).values(values)
        with self.database.session() as session:
            taken: CursorResult[Any] = session.execute(statement)  # type: ignore[assignment]
            return session.get(self.kind, row_id) if taken.rowcount else None

    def renew(self, held: Iterable[tuple[str, str]], lease_s: float) -> None:
        """Prolong the leases of rows, given as (id, owner)."""
        until = self.clock() + lease_s
        with self.database.session() as session:
            for row_id, owner in held:
                session.execute(
                    update(self.kind).where(*self._held(row_id, owner)).values(lease_until=until)
                )

    def save(self, row_id: str, owner: str, **values: Any) -> None:
        """Change columns of a row that this worker holds.

        Raises
        ------
        LeaseLost
        """
        changed = update(self.kind).where(*self._held(row_id, owner))
        with self.database.session() as session:
            result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                changed.values(updated_at=self.clock(), **values)
            )
            if not result.rowcount:
                raise LeaseLost

    def overdue(self) -> list[str]:
        """List the jobs that a dead worker left, or whose message was lost."""
        late = (self.kind.state.in_(UNFINISHED), self.kind.lease_until < self.clock())
        with self.database.session() as session:
            return list(session.scalars(select(self.kind.id).where(*late)))

    def next_expiry(self) -> float | None:
        """When the earliest lease runs out; None if nothing is unfinished."""
        query = select(self.kind.lease_until).where(self.kind.state.in_(UNFINISHED))
        with self.database.session() as session:
            return session.scalar(query.order_by(self.kind.lease_until).limit(1))

    def requeue(self, row_ids: Iterable[str], nudge_s: float) -> None:
        """Queue overdue rows anew; the sweep leaves them alone for a while.

        A worker that still believes to hold one meets `LeaseLost` at its next step.
        """
        now = self.clock()
        late = (self.kind.id.in_(list(row_ids)), self.kind.state.in_(UNFINISHED))
        values = {
            "state": QUEUED,
            "lease_owner": None,
            "lease_until": now + nudge_s,
            "broke_off": self._broke_off(),
        }
        with self.database.session() as session:
            session.execute(
                update(self.kind).where(*late, self.kind.lease_until < now).values(values)
            )

    def move(self, which: tuple[ColumnElement[bool], ...], **values: Any) -> list[str]:
        """Change all rows that fulfil the conditions, each once; gives their ids."""
        moved = []
        with self.database.session() as session:
            for row_id in session.scalars(select(self.kind.id).where(*which)).all():
                change = update(self.kind).where(self.kind.id == row_id, *which)
                done: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                    change.values(updated_at=self.clock(), **values)
                )
                moved += [row_id] if done.rowcount else []
        return moved

    def purge(self, older_than_s: float) -> None:
        """Delete rows that nothing has happened to for so long."""
        old = self.kind.updated_at < self.clock() - older_than_s
        with self.database.session() as session:
            session.execute(delete(self.kind).where(old))

    def _broke_off(self) -> ColumnElement[int]:
        """Count a worker that is found dead over its job."""
        return self.kind.broke_off + case((self.kind.state == RUNNING, 1), else_=0)

    def _held(self, row_id: str, owner: str) -> tuple[ColumnElement[bool], ...]:
        return (
            self.kind.id == row_id,
            self.kind.lease_owner == owner,
            self.kind.state == RUNNING,
        )
