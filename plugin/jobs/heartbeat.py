"""The sign of life of the workers, in the database: it works across machines."""

from __future__ import annotations

import time

from sqlalchemy import Float, String, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from plugin.database import Base, Database

FORGOTTEN_SECONDS = 86400.0
# A worker beats every few seconds; three missed beats are a dead worker.
SILENT_SECONDS = 20.0


class Heartbeat(Base):
    """When a worker was last alive."""

    __tablename__ = "heartbeats"

    worker: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[float] = mapped_column(Float)


def beat(database: Database, worker: str) -> None:
    """Note that this worker is alive."""
    with database.session() as session:
        session.merge(Heartbeat(worker=worker, at=time.time()))


def forget_dead(database: Database) -> None:
    """Delete workers that were silent for a day: each start of a worker has its own name."""
    with database.session() as session:
        session.execute(delete(Heartbeat).where(Heartbeat.at < time.time() - FORGOTTEN_SECONDS))


def worker_age_s(database: Database) -> float | None:
    """Give the seconds since any worker's last beat; None without a worker."""
    try:
        with database.session() as session:
            last = session.scalar(select(func.max(Heartbeat.at)))
    except SQLAlchemyError:
        return None
    return None if last is None else time.time() - last
