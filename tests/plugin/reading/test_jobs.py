"""Rows, leases, locks and the sweep: a job is done once, whatever dies."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path

import pytest

from plugin.api.study_list import has_seen, note_seen
from plugin.jobs.job_rows import JobRows, LeaseLost, TooManyJobs
from plugin.jobs.leases import Leases
from plugin.jobs.messages import READ, make_celery, send
from plugin.jobs.sweep import purge_notes, sweep
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, FAILED, RUNNING, Reading
from plugin.reporting.writer_lock import WriterBusy, WriterLock, only_writer
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.reading.conftest import Jobs


@pytest.fixture
def rows(services: Services) -> JobRows[Reading]:
    return JobRows(services.database, Reading)


def row(study: str = "s", launch: str = "l") -> Reading:
    return Reading(
        launch_id=launch,
        ehr_id="north",
        issuer="i",
        patient="p",
        study_id=study,
        steps=[],
        open_key=f"{launch}/{study}",
    )


def test_a_double_click_is_one_job(rows: JobRows[Reading]) -> None:
    first, is_new = rows.add(row(), nudge_s=30, limit=4)
    second, is_new_again = rows.add(row(), nudge_s=30, limit=4)
    assert (first, is_new, is_new_again) == (second, True, False)


def test_two_clicks_at_the_same_moment_are_one_job(rows: JobRows[Reading]) -> None:
    together = threading.Barrier(4)
    ids: list[str] = []

    def click() -> None:
        together.wait()
        ids.append(rows.add(row(), nudge_s=30, limit=4)[0])

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_one_launch_has_a_limited_number_of_jobs(rows: JobRows[Reading]) -> None:
    for number in range(2):
        rows.add(row(str(number)), nudge_s=30, limit=2)
    with pytest.raises(TooManyJobs):
        rows.add(row("more"), nudge_s=30, limit=2)
    rows.add(row("more", launch="other"), nudge_s=30, limit=2)


def test_a_job_is_claimed_by_one_worker_until_its_lease_runs_out(rows: JobRows[Reading]) -> None:
    job, _ = rows.add(row(), nudge_s=30, limit=4)
    assert rows.claim(job, "a", 0.05) is not None
    assert rows.claim(job, "b", 30) is None
    time.sleep(0.06)
    taken = rows.claim(job, "b", 30)
    assert taken is not None
    assert taken.attempts == 2
    with pytest.raises(LeaseLost):
        rows.save(job, "a", state=DONE)
    rows.save(job, "b", state=DONE)
    assert rows.claim(job, "c", 30) is None


def test_a_lease_is_renewed_while_the_job_is_held(rows: JobRows[Reading]) -> None:
    job, _ = rows.add(row(), nudge_s=30, limit=4)
    rows.claim(job, "a", 0.2)
    leases = Leases(0.2)
    leases.start()
    with leases.hold(rows, job, "a"):
        time.sleep(0.5)
        assert rows.overdue() == []
    time.sleep(0.4)
    assert rows.overdue() == [job]
    leases.stop()
    leases.join()


def test_the_sweep_sends_what_is_overdue_once(rows: JobRows[Reading]) -> None:
    late, _ = rows.add(row("late"), nudge_s=-1, limit=4)
    rows.add(row("fresh"), nudge_s=30, limit=4)
    sent: list[str] = []
    assert sweep(rows, sent.append, nudge_s=30) == 1
    assert sweep(rows, sent.append, nudge_s=30) == 0
    assert sent == [late]


def test_the_sweep_takes_a_dead_workers_job_and_the_dead_one_cannot_come_back(
    rows: JobRows[Reading],
) -> None:
    job, _ = rows.add(row(), nudge_s=30, limit=4)
    rows.claim(job, "dead", -1)
    sent: list[str] = []
    assert sweep(rows, sent.append, nudge_s=30) == 1
    assert sweep(rows, sent.append, nudge_s=30) == 0
    with pytest.raises(LeaseLost):
        rows.save(job, "dead", state=DONE)
    assert rows.claim(job, "alive", 30) is not None


def test_a_job_that_kills_its_worker_again_and_again_is_given_up(
    jobs: Jobs, launch: OpenLaunch
) -> None:
    job = jobs.ask(launch)
    for _ in range(jobs.runner.settings.job_attempts):
        assert jobs.runner.readings.claim(job, "dead", -1) is not None
    jobs.run(job)
    found = jobs.row(job)
    assert found.state == FAILED
    assert found.problem is not None
    assert found.problem["code"] == "gave_up"


def test_old_rows_are_deleted(rows: JobRows[Reading]) -> None:
    job, _ = rows.add(row(), nudge_s=30, limit=4)
    rows.purge(100)
    assert rows.get(job) is not None
    rows.purge(-1)
    assert rows.get(job) is None


def test_old_notes_and_locks_are_deleted(services: Services) -> None:
    note_seen(services.database, "launch", ["study"])
    purge_notes(services.database, 100)
    assert has_seen(services.database, "launch", "study")
    purge_notes(services.database, -1)
    assert not has_seen(services.database, "launch", "study")


def test_a_key_has_one_writer_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.reporting.writer_lock.WAIT_SECONDS", 0.1)
    lock = WriterLock(services.database, 30.0)
    with only_writer(lock, "key", "a"):
        with only_writer(lock, "other", "b"):
            pass
        with pytest.raises(WriterBusy), only_writer(lock, "key", "b"):
            pass
        assert lock.is_held("key", "a")
    with only_writer(lock, "key", "b"):
        assert not lock.is_held("key", "a")


def test_the_lock_of_a_dead_writer_runs_out_and_that_of_a_live_one_is_renewed(
    services: Services,
) -> None:
    lock = WriterLock(services.database, 0.2)
    assert lock.take("key", "dead")
    leases = Leases(0.2)
    leases.start()
    with only_writer(lock, "key", "alive"), leases.hold(lock, "key", "alive"):
        time.sleep(0.5)
        assert not lock.take("key", "other")
        assert not lock.is_held("key", "dead")
    leases.stop()
    leases.join()
    assert lock.take("key", "other")


def test_a_message_is_one_whole_json_file_with_an_id_in_a_private_folder(
    settings: Settings,
) -> None:
    app = make_celery(settings)
    send(app, READ, "row-1")
    queue = settings.data_dir / "queue"
    assert stat.S_IMODE(queue.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    (message,) = [path for path in queue.iterdir() if path.name.endswith(".msg")]
    payload = json.loads(message.read_text())
    assert payload["content-type"] == "application/json"
    assert [path.name for path in queue.iterdir()] == [message.name]
    app.close()


def test_a_running_job_survives_a_second_message(jobs: Jobs, launch: OpenLaunch) -> None:
    job = jobs.ask(launch)
    jobs.runner.readings.claim(job, "busy", 30)
    jobs.run(job)
    assert jobs.row(job).state == RUNNING
    assert jobs.row(job).lease_owner == "busy"


def test_the_cache_is_private_and_forgets(jobs: Jobs, launch: OpenLaunch) -> None:
    jobs.read(launch)
    cache = jobs.runner.shop.cache
    files = [path for path in cache.root.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"0001-00001.dcm", "heat-map.png", "report.pdf"}
    for path in cache.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.is_file() else 0o700)
    assert cache.purge(1000) == 0
    assert cache.purge(-1) == 2
    assert not [path for path in cache.root.rglob("*") if path.is_file()]


def test_nobody_elses_folder_is_found(jobs: Jobs) -> None:
    cache = jobs.runner.shop.cache
    folders: set[Path] = {cache.folder("a", "s"), cache.folder("b", "s"), cache.folder("a", "t")}
    assert len(folders) == 3
