"""A job over which a worker died runs alone, so that innocent ones do not share its fate."""

from __future__ import annotations

import threading

from plugin.jobs.sweep import sweep
from plugin.jobs.turns import Turns
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request


def test_ordinary_jobs_run_side_by_side(jobs: Jobs) -> None:
    together = threading.Barrier(2, timeout=5)
    turns = Turns()

    def work() -> None:
        with turns.take(alone=False):
            together.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_a_job_that_runs_alone_waits_for_those_at_work_and_holds_up_the_next() -> None:
    turns = Turns()
    order: list[str] = []
    begun, end = threading.Event(), threading.Event()

    def work(name: str, alone: bool, until: threading.Event | None = None) -> None:
        with turns.take(alone=alone):
            begun.set()
            if until:
                until.wait(5)
            order.append(name)

    first = threading.Thread(target=work, args=("first", False, end))
    first.start()
    begun.wait(5)
    alone = threading.Thread(target=work, args=("alone", True))
    alone.start()
    while not turns._waiting_alone:
        pass
    second = threading.Thread(target=work, args=("second", False))
    second.start()
    second.join(0.1)
    assert order == []
    end.set()
    for thread in (first, alone, second):
        thread.join(5)
    assert order == ["first", "alone", "second"]


def test_only_a_dead_worker_counts_not_another_try(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    rows = jobs.runner.readings
    hospital.trick("GET", "^/dicomweb/", Reply(500), times=1)
    row = jobs.read(launch)
    assert (row.state, row.attempts, row.broke_off) == (DONE, 2, 0)
    left = jobs.ask(launch)
    assert rows.claim(left, "dead", -1) is not None
    assert rows.runs_alone(left)
    assert sweep(rows, lambda _: None, nudge_s=30) == 1
    assert rows.runs_alone(left)
    jobs.run(left)
    assert (jobs.row(left).state, jobs.row(left).broke_off) == (DONE, 1)


def test_a_job_that_waits_for_its_turn_is_not_in_hand_of_the_worker_that_may_die(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    rows = jobs.runner.readings
    innocent = jobs.ask(launch)
    assert rows.claim(innocent, "dead", -1) is not None
    reached, go = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        reached.set()
        go.wait(5)

    hospital.trick("GET", "^/dicomweb/", hold, times=1)
    opening = jobs.ask_opening(launch)
    busy = threading.Thread(target=jobs.runner.open_study, args=(opening,))
    busy.start()
    assert reached.wait(5)
    waits = threading.Thread(target=jobs.runner.read, args=(innocent,))
    waits.start()
    waits.join(0.2)
    assert jobs.row(innocent).attempts == 1
    go.set()
    busy.join(5)
    waits.join(5)
    assert jobs.row(innocent).state == DONE
