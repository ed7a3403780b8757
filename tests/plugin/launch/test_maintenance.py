"""What a worker does beside its jobs: beat, revoke, delete."""

from __future__ import annotations

import time

from sqlalchemy import delete, func, select

from plugin.jobs.heartbeat import Heartbeat, beat, worker_age_s
from plugin.jobs.maintenance import Maintenance, clean
from plugin.launching.launch_states import LaunchState
from plugin.launching.launches import Launch
from plugin.services import Services
from tests.plugin.launch.conftest import Browser
from tests.plugin.launch.hospital import Hospital


def count(services: Services, table: type[Heartbeat | LaunchState | Launch]) -> int:
    with services.database.session() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_worker_beats_while_it_works_and_no_longer(services: Services) -> None:
    with services.database.session() as session:
        session.execute(delete(Heartbeat))
    thread = Maintenance(services)
    thread.start()
    deadline = time.monotonic() + 20
    while worker_age_s(services.database) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    thread.stop()
    thread.join(10)
    assert not thread.is_alive()
    age = worker_age_s(services.database)
    assert age is not None
    assert age < 20


def test_what_is_over_is_revoked_first_and_deleted_after_its_retention(
    services: Services, browser: Browser, hospital: Hospital
) -> None:
    browser.open()
    services.launches.clock = lambda: time.time() + 9 * 3600
    clean(services)
    assert len(hospital.revoked) >= 2
    assert count(services, Launch) >= 1
    services.launches.clock = services.states.clock = lambda: time.time() + 31 * 86400
    clean(services)
    assert count(services, Launch) == 0
    assert count(services, LaunchState) == 0


def test_workers_of_yesterday_are_forgotten(services: Services) -> None:
    with services.database.session() as session:
        session.merge(Heartbeat(worker="old", at=time.time() - 2 * 86400))
    beat(services.database, "new")
    clean(services)
    with services.database.session() as session:
        assert session.get(Heartbeat, "old") is None
        assert session.get(Heartbeat, "new") is not None
