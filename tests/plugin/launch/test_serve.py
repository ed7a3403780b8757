"""`wetread serve` as processes: starts, answers, restarts a dead worker, stops on SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from plugin.web.supervisor import NEVER_AGAIN, Child, Supervisor
from tests.plugin.launch.conftest import free_port

pytestmark = pytest.mark.integration


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def child(self, word: str) -> psutil.Process:
        for child in psutil.Process(self.process.pid).children():
            if word in child.cmdline():
                return child
        raise AssertionError(f"no child {word}")


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def environment(tmp_path: Path, secret_keys: str, port: int) -> dict[str, str]:
    ehr = {"id": "north", "name": "N", "issuer": "http://127.0.0.1:9/fhir", "client_id": "w"}
    own = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
    return own | {
        "WETREAD_BASE_URL": f"http://127.0.0.1:{port}",
        "WETREAD_BIND": f"127.0.0.1:{port}",
        "WETREAD_DATA_DIR": str(tmp_path / "data"),
        "WETREAD_SECRET_KEYS": secret_keys,
        "WETREAD_EHRS": json.dumps([ehr]),
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, secret_keys: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "plugin", "serve"],
            env=environment(folder, secret_keys, port), stdout=sink, stderr=sink,
        )  # fmt: skip
        try:
            yield Running(process, f"http://127.0.0.1:{port}", log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def is_ready(running: Running) -> bool:
    assert running.process.poll() is None, running.log.read_text()
    try:
        return bool(requests.get(f"{running.address}/readyz", timeout=5))
    except requests.RequestException:
        return False


def test_serve_becomes_ready_with_one_web_process_and_one_worker(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    assert len(psutil.Process(running.process.pid).children()) == 2


def test_web_process_stays_under_150_megabytes(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    for _ in range(20):
        requests.get(f"{running.address}/callback/north", timeout=5)
    (web,) = running.child("gunicorn").children()
    assert web.memory_info().rss < 150 * 1024 * 1024


def test_log_holds_json_lines_without_query_strings(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    requests.get(f"{running.address}/callback/north?code=secret-code", timeout=5)
    wait_for(lambda: '"/callback/<ehr_id>"' in running.log.read_text())
    for line in running.log.read_text().splitlines():
        json.loads(line)
    assert "secret-code" not in running.log.read_text()


def test_long_code_in_the_address_is_served(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    answer = requests.get(f"{running.address}/callback/north?code={'x' * 6000}", timeout=5)
    assert answer.status_code == 200


def test_killed_worker_is_started_again(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    killed = running.child("worker").pid
    os.kill(killed, signal.SIGKILL)

    def started_again() -> bool:
        try:
            return bool(running.child("worker").pid != killed)
        except (AssertionError, psutil.NoSuchProcess):
            return False

    wait_for(started_again)


def test_sigterm_stops_everything(running: Running) -> None:
    wait_for(lambda: is_ready(running))
    children = psutil.Process(running.process.pid).children(recursive=True)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(20) == 0
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert gone


def test_children_die_with_a_killed_supervisor(tmp_path: Path, secret_keys: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "plugin", "serve"],
        env=environment(tmp_path, secret_keys, free_port()),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    parent = psutil.Process(process.pid)
    wait_for(lambda: len(parent.children()) == 2)
    children = parent.children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_serve_without_configuration_names_the_variable() -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
    done = subprocess.run(
        [sys.executable, "-m", "plugin", "serve"],
        env=own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "WETREAD_BASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_end_of_the_web_server_ends_everything_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    sleeper = Child("worker", [sys.executable, "-c", "import time; time.sleep(60)"], vital=False)
    broken = Child("web", [sys.executable, "-c", "raise SystemExit(3)"], vital=True)
    assert Supervisor([sleeper, broken]).run() == 1
    assert sleeper.process is not None
    assert sleeper.process.poll() is not None


def test_worker_that_can_never_start_ends_everything_instead_of_being_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    sleeper = Child("web", [sys.executable, "-c", "import time; time.sleep(60)"], vital=True)
    hopeless = [sys.executable, "-c", f"raise SystemExit({NEVER_AGAIN})"]
    assert Supervisor([sleeper, Child("worker", hopeless, vital=False)]).run() == NEVER_AGAIN
    assert sleeper.process is not None
    assert sleeper.process.poll() is not None
