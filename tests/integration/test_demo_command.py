"""`wetread demo` as a person at a terminal meets it: leaving, ports, folders, proxies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from click.testing import CliRunner

from plugin.commands.demo import command
from plugin.demo.files import HOSPITAL_HOST, claimed_port

DEMO = [sys.executable, "-m", "plugin", "demo"]


def start(*options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        # Whoever runs the tests in the background may ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def address_of(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    for line in demo.stdout:
        if found := re.search(r"Clinical viewer\s+(\S+)", line):
            return found[1]
    raise AssertionError(demo.stderr.read() if demo.stderr else "")


@pytest.mark.integration
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_leaving_in_whatever_way_leaves_no_process_behind(sent: signal.Signals) -> None:
    demo = start()
    try:
        address = address_of(demo)
        assert requests.get(address, timeout=10).ok
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 4  # hospital, supervisor, web, worker
        demo.send_signal(sent)
        demo.wait(30)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
    finally:
        demo.kill()
        demo.communicate()


@pytest.mark.integration
def test_proxies_of_the_environment_are_not_asked_for_this_machine() -> None:
    demo = start(http_proxy="http://127.0.0.1:9", no_proxy="")
    try:
        assert address_of(demo).startswith("http://localhost:")
    finally:
        demo.terminate()
        demo.communicate(timeout=30)


@pytest.mark.integration
@pytest.mark.parametrize("option", ["--fhir", "--dicomweb"])
def test_a_side_that_ends_is_told_with_the_last_lines_of_its_log(option: str) -> None:
    demo = start(option, "http://127.0.0.1:9/nobody-answers-here")
    try:
        _, said = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode == 1
    assert "its process has ended" in said
    assert "The demo hospital cannot start" in said
    assert "Traceback" not in said


def test_two_demos_never_get_the_same_port() -> None:
    with claimed_port(HOSPITAL_HOST) as first, claimed_port(HOSPITAL_HOST, first) as second:
        assert first != second
    with claimed_port(HOSPITAL_HOST, first) as again:
        assert again == first


# The command goes round proxies for its whole process, which here is that of all tests.
RESTORED = {"no_proxy": None, "NO_PROXY": None}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--json"], "needs --once"),
        (["--once", "--write", "none"], "reads the report back"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(options: list[str], sentence: str) -> None:
    result = CliRunner(env=RESTORED).invoke(command, options)
    assert result.exit_code == 2
    assert sentence in result.output


def test_a_folder_that_holds_files_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = CliRunner(env=RESTORED).invoke(command, ["--once", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "must be empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
