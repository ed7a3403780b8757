"""The one database: SQLite in WAL mode by default, PostgreSQL in production."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from plugin.errors import DatabaseError

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that no other program uses on the same PostgreSQL server.
ADVISORY_LOCK = 7_385_110_019
PRIVATE_FILE = 0o600
# What each database takes for the time, in seconds since the epoch.
CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
}


class Base(DeclarativeBase):
    """Base of every table.

    Times are seconds since the epoch: every database compares them alike.
    """


class Database:
    """Engine and sessions.

    Parameters
    ----------
    url : str
        SQLAlchemy address.

    Raises
    ------
    DatabaseError
        The address cannot be read, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        # hide_parameters: an error message with a statement's values would put patients into logs.
        try:
            self.engine: Engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
        except (ArgumentError, ImportError) as error:
            raise DatabaseError(
                "database_url (WETREAD_DATABASE_URL) must be an SQLAlchemy address whose driver is "
                f"installed; got {type(error).__name__}"
            ) from error
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session; committed at the end, rolled back when an error leaves the block."""
        with self._sessions.begin() as session:
            yield session

    def upgrade(self) -> None:
        """Bring the tables up to date; safe to call from several starting processes.

        Raises
        ------
        DatabaseError
            The database cannot be opened, or a newer Wetread has changed it.
        """
        try:
            with self._migration_lock(), self.engine.begin() as connection:
                command.upgrade(self.migrations(connection), "head")
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseError(f"the database must open; got {type(error).__name__}") from error
        except CommandError as error:
            raise DatabaseError("the database must not be newer than this program") from error

    def is_current(self) -> bool:
        """Tell whether the database answers and holds the tables of this program."""
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        try:
            with self.engine.connect() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError:
            return False
        return found == head

    def clock_difference_s(self) -> float | None:
        """Give how far this machine's clock is ahead of the database's; None where unknown.

        Leases hold times of the machine that took them, so all machines must agree.
        """
        question = CLOCKS.get(self.engine.dialect.name)
        if question is None:
            return None
        with self.engine.connect() as connection:
            before = time.time()
            told = float(connection.execute(text(question)).scalar_one())
            return (before + time.time()) / 2 - told

    def migrations(self, connection: Connection) -> Config:
        """Give Alembic's configuration for one open connection."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        return config

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _migration_lock(self) -> Iterator[None]:
        if self.engine.dialect.name == "sqlite":
            name = make_url(str(self.engine.url)).database
            if not name or name == ":memory:":
                yield
                return
            # SQLite gives its log files the mode of the database.
            for place in (Path(name), lock := Path(f"{name}.lock")):
                place.touch(mode=PRIVATE_FILE)
            with lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            return
        with self.engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # WAL: the web process reads while the worker writes.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=10000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
