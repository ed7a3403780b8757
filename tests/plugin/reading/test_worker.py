"""A real worker process with the real model: it is killed in mid reading and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugin.jobs.installed_models import known_models
from plugin.jobs.messages import READ, make_celery, send
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, RUNNING, Reading
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Request

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`wetread worker` as its own process, with a short lease."""
    ehr = settings.ehrs[0]
    registered = {
        "id": ehr.id,
        "name": ehr.name,
        "issuer": ehr.issuer,
        "client_id": ehr.client_id,
        "write": ehr.write,
        "patient_id_systems": dict(ehr.patient_id_systems),
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WETREAD_")} | {
        "WETREAD_BASE_URL": settings.base_url,
        "WETREAD_DATA_DIR": str(settings.data_dir),
        "WETREAD_SECRET_KEYS": settings.secret_keys or "",
        "WETREAD_EHRS": json.dumps([registered]),
        "WETREAD_JOB_LEASE_S": "2",
        "WETREAD_JOB_SWEEP_S": "2",
        "WETREAD_HTTP_TIMEOUT_S": "30",
    }
    command = [sys.executable, "-m", "plugin", "worker"]
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=environment, stderr=file, stdout=file)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(what: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def asked_for(settings: Settings, jobs: Jobs, launch: OpenLaunch) -> str:
    row_id = jobs.ask(launch)
    app = make_celery(settings)
    send(app, READ, row_id)
    app.close()
    return row_id


def row_of(jobs: Jobs, row_id: str) -> Reading:
    return jobs.row(row_id)


def test_a_worker_killed_in_mid_reading_is_finished_after_restart_with_one_report(
    settings: Settings,
    services: Services,
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    tmp_path: Path,
) -> None:
    fetching, go_on = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        fetching.set()
        go_on.wait(30)

    hospital.trick("GET", "^/dicomweb/", hold, times=1)
    log = tmp_path / "worker.log"
    row_id = asked_for(settings, jobs, launch)
    with worker(settings, log) as first:
        wait_for(fetching.is_set)
        assert row_of(jobs, row_id).state == RUNNING
        first.send_signal(signal.SIGKILL)
        first.wait()
    go_on.set()
    assert not hospital.of_type("DiagnosticReport")
    with worker(settings, log) as second:
        wait_for(lambda: row_of(jobs, row_id).state == DONE)
        assert row_of(jobs, row_id).attempts == 2
        second.terminate()
        assert second.wait(timeout=20) == 0
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind
    written = log.read_text()
    for secret in ("CLARK", "H-1001", "1930", "token-0"):
        assert secret not in written


def test_a_worker_killed_after_writing_writes_no_second_report(
    settings: Settings,
    services: Services,
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    tmp_path: Path,
) -> None:
    written, go_on = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        if hospital.of_type("DiagnosticReport"):
            written.set()
            go_on.wait(30)

    hospital.trick("GET", "^/fhir/DiagnosticReport/", hold, times=2)
    row_id = asked_for(settings, jobs, launch)
    log = tmp_path / "worker.log"
    with worker(settings, log) as first:
        wait_for(written.is_set)
        first.kill()
        first.wait()
    go_on.set()
    with worker(settings, log):
        wait_for(lambda: row_of(jobs, row_id).state == DONE)
    report = row_of(jobs, row_id).report
    assert report is not None
    assert report["saved"] is True
    assert len(hospital.of_type("DiagnosticReport")) == 1


def test_a_worker_tells_the_web_process_what_it_has_installed(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    assert known_models(services.database) == []
    with worker(settings, tmp_path / "worker.log"):
        wait_for(lambda: bool(known_models(services.database)))
    assert {"CR", "DX"} & set(known_models(services.database)[0].modalities)
