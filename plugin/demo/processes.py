"""Start the hospital and Wetread as processes, wait until they answer, stop them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from plugin.demo.files import DemoChoices, write_clients, write_configuration
from plugin.errors import PluginError
from plugin.scopes import DEFAULT_SCOPES
from plugin.web.supervisor import die_with_parent

START_LIMIT_S = 90.0
STOP_LIMIT_S = 10.0
# What both clients ask of the hospital's records and images, a JSON object a line.
REQUEST_LOG = "requests.jsonl"


class DemoError(PluginError):
    """The demo could not be started, or a step of it failed."""

    code = "demo"


@dataclass(frozen=True)
class RunningDemo:
    """A demo that answers.

    Attributes
    ----------
    choices : DemoChoices
        Addresses and options.
    folder : Path
        Everything that the demo writes; logs are ``hospital.log`` and ``wetread.log``,
        requests in ``requests.jsonl``.
    hospital, plugin : subprocess.Popen
        The two sides.
    """

    choices: DemoChoices
    folder: Path
    hospital: subprocess.Popen[bytes]
    plugin: subprocess.Popen[bytes]


@contextmanager
def running_demo(choices: DemoChoices, folder: Path) -> Iterator[RunningDemo]:
    """Run both sides while the block runs.

    Parameters
    ----------
    choices : DemoChoices
        Ports, servers behind the gateways, images, write mode.
    folder : Path
        An empty folder that the demo may fill.

    Raises
    ------
    DemoError
        A side did not answer in time; the message ends with the last lines of its log.
    """
    environment = _prepare(choices, folder)
    with (
        _process(
            _hospital_command(choices, folder),
            folder / "hospital.log",
            environment | _servers_behind(choices),
        ) as hospital,
        _process([*_wetread(), "serve"], folder / "wetread.log", environment) as plugin,
    ):
        _wait(f"{choices.hospital_url}/healthz", hospital, folder / "hospital.log")
        _wait(f"{choices.plugin_url}/readyz", plugin, folder / "wetread.log")
        yield RunningDemo(choices, folder, hospital, plugin)


def _wetread() -> list[str]:
    return [sys.executable, "-m", "plugin"]


def _prepare(choices: DemoChoices, folder: Path) -> dict[str, str]:
    """Write both configurations and Wetread's keys; return the environment of the processes."""
    _make_empty(folder)
    keys = folder / "keys" / "wetread-keys.json"
    keys.parent.mkdir(exist_ok=True, mode=0o700)
    # A standalone launch asks for `launch/patient` in place of `launch`.
    scopes = " ".join(("launch/patient", *DEFAULT_SCOPES))
    write_clients(folder / "clients.json", choices, scopes)
    write_configuration(folder / "wetread.toml", choices, folder / "wetread", keys)
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WETREAD_", "SANDBOX_"))
    }
    environment = ours | {"WETREAD_CONFIG": str(folder / "wetread.toml")}
    made = subprocess.run(
        [*_wetread(), "keys", "new"], env=environment, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise DemoError(f"`wetread keys new` must succeed; it said: {made.stderr.strip()}")
    return environment


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise DemoError(f"the folder of --data must be usable; {error.strerror}") from error
    if full:
        raise DemoError("the folder of --data must be empty; it holds files")


def _hospital_command(choices: DemoChoices, folder: Path) -> list[str]:
    command = [
        sys.executable, "-m", "sandbox",
        "--port", str(choices.hospital_port),
        "--data", str(folder / "hospital"),
        "--clients", str(folder / "clients.json"),
        "--write-profile", choices.write,
        "--cds-budget-ms", str(choices.card_budget_ms),
        "--request-log", str(folder / REQUEST_LOG),
    ]  # fmt: skip
    if choices.images is not None:
        command += ["--images", str(choices.images)]
    return [*command, "--refuse-frames"] if choices.refuse_frames else command


def _servers_behind(choices: DemoChoices) -> dict[str, str]:
    """Give the addresses as variables: they may hold passwords, and everybody sees commands."""
    servers = {"SANDBOX_FHIR": choices.fhir, "SANDBOX_DICOMWEB": choices.dicomweb}
    return {name: address for name, address in servers.items() if address is not None}


@contextmanager
def _process(
    command: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        # A session of its own: Ctrl-C reaches this process first, which then stops both in order.
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            # However this process dies, neither side goes on listening without it.
            preexec_fn=die_with_parent,
        )
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the leader to finish cleanly; what still runs after a while is killed with its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"{address} must answer, but its process has ended:\n{tail(log)}")
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise DemoError(f"{address} must answer within {START_LIMIT_S:.0f} s:\n{tail(log)}")


def tail(log: Path) -> str:
    """Give the last lines of a log."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
