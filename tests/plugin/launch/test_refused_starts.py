"""`wetread serve` and `wetread worker` with settings that cannot work: one sentence, no process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plugin import logs
from plugin.commands import serve, worker
from plugin.web import supervisor
from tests.plugin.launch.conftest import BASE_URL, free_port

PASSES, LASTS = 1, os.EX_CONFIG


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret_keys: str) -> None:
    def nothing_starts(_self: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(supervisor.Child, "start", nothing_starts)
    # Logging belongs to the whole test process.
    monkeypatch.setattr(logs, "configure_logging", lambda _level: None)
    monkeypatch.setenv("WETREAD_BASE_URL", BASE_URL)
    monkeypatch.setenv("WETREAD_BIND", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("WETREAD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WETREAD_SECRET_KEYS", secret_keys)


@pytest.fixture
def file_in_the_way(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("")
    return path


UNUSABLE = [
    ("WETREAD_MODEL", "nope", LASTS),
    ("WETREAD_MODEL_RUNTIME", "nope", LASTS),
    ("WETREAD_DATA_DIR", "/proc/x", LASTS),
    ("WETREAD_BROKER_URL", "nonsense://x", LASTS),
    ("WETREAD_BROKER_URL", "amqp://127.0.0.1:9", PASSES),
    ("WETREAD_BROKER_URL", "amqp://u:pw@[::", LASTS),
    ("WETREAD_BIND", "nonsense", LASTS),
    ("WETREAD_SECRET_KEYS", "{}", LASTS),
    ("WETREAD_DATABASE_URL", "sqlite:////proc/x/y.sqlite3", PASSES),
]


def words_of(result: Result) -> str:
    """What was said; anything but a refusal (a traceback) fails."""
    assert isinstance(result.exception, SystemExit), result.exception
    return result.stderr


@pytest.mark.parametrize(("name", "value", "status"), UNUSABLE)
def test_worker_tells_what_can_pass_from_what_cannot(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, status: int
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(worker.command)
    assert words_of(result).startswith("Error: ")
    assert result.exit_code == status


@pytest.mark.parametrize(("name", "value"), [row[:2] for row in UNUSABLE])
def test_serve_refuses_in_words_before_it_starts_anything(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(serve.command)
    assert words_of(result).startswith("Error: ")
    assert result.exit_code == 1


def test_data_folder_that_is_a_file_is_named(
    monkeypatch: pytest.MonkeyPatch, file_in_the_way: Path
) -> None:
    monkeypatch.setenv("WETREAD_DATA_DIR", str(file_in_the_way))
    said = words_of(CliRunner().invoke(serve.command))
    assert "WETREAD_DATA_DIR" in said
    assert str(file_in_the_way) in said


def test_occupied_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("WETREAD_BIND", taken)
        said = words_of(CliRunner().invoke(serve.command))
    assert "WETREAD_BIND" in said
    assert taken in said
    assert "another program listens there" in said


def test_address_of_another_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # 192.0.2.0/24 is nobody's (RFC 5737).
    monkeypatch.setenv("WETREAD_BIND", "192.0.2.1:8081")
    said = words_of(CliRunner().invoke(serve.command))
    assert "192.0.2.1:8081" in said
