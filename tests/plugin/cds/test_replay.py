"""A call is remembered as long as its token could come again, in every process, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from plugin.cds.replay import CLEAN_SECONDS, KEPT_SECONDS, AcceptedCalls, CdsCall
from plugin.database import Database

ISSUER = "https://ehr.example"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
    opened.upgrade()
    yield opened
    opened.close()


def remembered(database: Database) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).select_from(CdsCall)) or 0


def test_call_is_accepted_once_in_all_processes(database: Database) -> None:
    first, second = AcceptedCalls(database), AcceptedCalls(database)
    assert first.accept(ISSUER, "jti-1", 1e12)
    assert not first.accept(ISSUER, "jti-1", 1e12)
    assert not second.accept(ISSUER, "jti-1", 1e12)


def test_two_ehrs_may_choose_the_same_name(database: Database) -> None:
    calls = AcceptedCalls(database)
    assert calls.accept(ISSUER, "jti-1", 1e12)
    assert calls.accept("https://another.example", "jti-1", 1e12)


def test_calls_that_are_over_are_forgotten_by_later_ones(database: Database) -> None:
    now = [1000.0]
    calls = AcceptedCalls(database, lambda: now[0])
    for number in range(3):
        calls.accept(ISSUER, f"jti-{number}", now[0] + 60)
    now[0] += 60 + CLEAN_SECONDS
    calls.accept(ISSUER, "later", now[0] + 60)
    # Another machine's clock may be behind, and would take the old tokens still.
    assert remembered(database) == 4
    assert not calls.accept(ISSUER, "jti-0", now[0] + 60)
    now[0] += KEPT_SECONDS + 1
    calls.accept(ISSUER, "last", now[0] + 60)
    assert remembered(database) == 2


def test_odd_characters_are_no_trouble(database: Database) -> None:
    calls = AcceptedCalls(database)
    assert calls.accept(ISSUER, "\ud800 \x00 é", 1e12)
    assert not calls.accept(ISSUER, "\ud800 \x00 é", 1e12)
