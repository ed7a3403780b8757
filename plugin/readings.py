"""The rows of a reading: what was asked, how far it is, what came out.

The row is the truth, the queue only a nudge: a message carries the id of a row and nothing else.
A job holds a row while its `lease_until` lies ahead; whoever finds it in the past may take over.
Times are seconds since the epoch, so that SQLite and PostgreSQL compare them alike.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import JSON, Float, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from plugin.database import Base

QUEUED = "queued"
RUNNING = "running"
READY = "ready"
DONE = "done"
FAILED = "failed"
AWAITING_LAUNCH = "awaiting_launch"

UNFINISHED = (QUEUED, RUNNING)

Json = dict[str, Any]


def new_id() -> str:
    """An id that nobody guesses: 144 random bits, safe in an address."""
    return secrets.token_urlsafe(18)


class Job:
    """The columns that an opening and a reading share."""

    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    launch_id: Mapped[str] = mapped_column(String(64), index=True)
    ehr_id: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(512))
    patient: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20), default=QUEUED)
    steps: Mapped[list[Json]] = mapped_column(JSON, default=list)
    problem: Mapped[Json | None] = mapped_column(JSON, default=None)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    # How often a worker died with this job in hand; such a job runs alone from then on.
    broke_off: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    lease_owner: Mapped[str | None] = mapped_column(String(64), default=None)
    # Equal for two requests that mean the same job, empty once the job is over: the unique index
    # makes a double click one job on every database.
    open_key: Mapped[str | None] = mapped_column(String(256), unique=True, default=None)
    created_at: Mapped[float] = mapped_column(Float)
    updated_at: Mapped[float] = mapped_column(Float)


class Opening(Job, Base):
    """A study opened in the page: its pictures are made here, before anyone asks for a reading."""

    __tablename__ = "openings"
    __table_args__ = (Index("openings_state_lease", "state", "lease_until"),)

    study: Mapped[Json | None] = mapped_column(JSON, default=None)
    images: Mapped[list[Json]] = mapped_column(JSON, default=list)


class Reading(Job, Base):
    """One click on "AI diagnosis"."""

    __tablename__ = "readings"
    __table_args__ = (
        Index("readings_state_lease", "state", "lease_until"),
        Index("readings_issuer_study", "issuer", "study_id"),
    )

    user_key: Mapped[str | None] = mapped_column(String(128), index=True, default=None)
    study_uid: Mapped[str | None] = mapped_column(String(64), default=None)
    images_mark: Mapped[str | None] = mapped_column(String(32), default=None)
    key: Mapped[str | None] = mapped_column(String(64), index=True, default=None)
    result: Mapped[Json | None] = mapped_column(JSON, default=None)
    report: Mapped[Json | None] = mapped_column(JSON, default=None)
    timings_ms: Mapped[Json] = mapped_column(JSON, default=dict)


class StudySeen(Base):
    """A launch whose own token has read this study: only then are its readings shown."""

    __tablename__ = "studies_seen"

    launch_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[float] = mapped_column(Float)


class Writer(Base):
    """The one job that may write the report of a reading key just now."""

    __tablename__ = "writers"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[float] = mapped_column(Float)


class InstalledModel(Base):
    """What the worker has installed, so that the web process need not import a model to know."""

    __tablename__ = "installed_models"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    facts: Mapped[Json] = mapped_column(JSON)
    updated_at: Mapped[float] = mapped_column(Float)
