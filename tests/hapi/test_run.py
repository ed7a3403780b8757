"""`tests/hapi/run` and the rule for skips say what is missing, in words."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hapi.server import RUN
from tests.required import MUST_RUN, skip_or_fail

NEEDED = ("bash", "env", "dirname", "sed")


def run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it where only the commands of one folder are installed."""
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (path / name).symlink_to(found)
    environment = os.environ | {"PATH": str(path)}
    return subprocess.run(
        [str(RUN), *options], env=environment, capture_output=True, text=True, check=False
    )


def test_a_missing_java_is_said_with_the_package_to_install(tmp_path: Path) -> None:
    done = run(tmp_path, "--build")
    assert done.returncode == 69
    assert "needs Java 17 or newer; there is none (apt-get install" in done.stderr


@pytest.mark.parametrize("version", ["11", "1.8"])
def test_a_java_that_is_too_old_is_said_so(tmp_path: Path, version: str) -> None:
    java = tmp_path / "java"
    java.write_text(f'#!/bin/sh\necho "    java.specification.version = {version}" >&2\n')
    java.chmod(0o755)
    done = run(tmp_path, "--build")
    assert done.returncode == 69
    assert f"needs Java 17 or newer; this is Java {version}" in done.stderr


def test_an_unknown_option_shows_how_it_is_used(tmp_path: Path) -> None:
    done = run(tmp_path, "--unheard-of")
    assert done.returncode == 2
    assert "tests/hapi/run [--port N] [--data DIR]" in done.stderr


def test_what_is_missing_is_a_skip_at_home_and_a_failure_where_all_must_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(MUST_RUN, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Java"):
        skip_or_fail("no Java")
    monkeypatch.setenv(MUST_RUN, "1")
    with pytest.raises(pytest.fail.Exception, match="no Java"):
        skip_or_fail("no Java")
