"""The migrations bring about exactly the tables of the models, from any number of processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from plugin.database import Database
from plugin.errors import DatabaseError
from plugin.tables import all_tables


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
    database.upgrade()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, all_tables()) == []
    assert {"launches", "launch_states", "readings", "openings"} <= set(all_tables().tables)
    database.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
        try:
            database.upgrade()
            assert database.is_current()
        except BaseException as error:
            failures.append(error)
        database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
    database.upgrade()
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not database.is_current()
    with pytest.raises(DatabaseError, match="newer"):
        database.upgrade()
    database.close()


def test_database_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'no-folder' / 'wetread.sqlite3'}")
    with pytest.raises(DatabaseError):
        database.upgrade()
    assert not database.is_current()


@pytest.mark.parametrize("url", ["nonsense", "postgresql+no_such_driver://h/d"])
def test_address_that_no_driver_understands_is_refused_by_name(url: str) -> None:
    with pytest.raises(DatabaseError, match="WETREAD_DATABASE_URL"):
        Database(url)


def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
    with database.session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    database.close()


def test_error_of_the_database_shows_no_values(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
    with pytest.raises(Exception, match="hidden") as caught, database.session() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "CLARK"})
    assert "CLARK" not in str(caught.value)
    database.close()
