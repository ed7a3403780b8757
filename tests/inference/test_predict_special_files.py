"""`wetread predict` and what is no readable file: pipes, devices, broken links, closed doors."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plugin.commands import predict
from tests.inference.conftest import TOY_MODELS
from tests.inference.dicom_files import chest, to_bytes

TOY = ("--json", "--models-dir", str(TOY_MODELS[0]), "--model", "toy_brightness")
NOBODY = 65534


def run(*paths: str | Path) -> Result:
    return CliRunner().invoke(predict.command, [*map(str, paths), *TOY])


def said(result: Result) -> list[tuple[str, str | None]]:
    """Status and first reason's code of each line."""
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return [(row["status"], row["reasons"][0]["code"] if row["reasons"] else None) for row in rows]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.dcm"
    path.write_bytes(to_bytes(chest()))
    return path


@pytest.fixture
def closable(good: Path) -> Iterator[Path]:
    """A folder with good.dcm and a user whom closed files and folders stop (root they do not)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(good, folder / "good.dcm")
        run(good)  # what is imported late is imported now
        if os.geteuid() != 0:
            yield folder
            return
        for path in (folder, folder / "good.dcm"):
            os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(0)


def test_a_pipe_is_an_error_and_is_not_waited_for(tmp_path: Path, good: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    result = run(tmp_path / "pipe.dcm", good)
    assert said(result) == [("error", "not_an_image"), ("ok", None)]
    assert "a named pipe" in result.stdout


def test_an_endless_device_is_an_error_and_is_not_read(good: Path) -> None:
    result = run("/dev/zero", good)
    assert said(result) == [("error", "not_an_image"), ("ok", None)]
    assert "a device" in result.stdout


@pytest.mark.parametrize("name", ["nothing.dcm", "good.dcm/below.dcm", "link.dcm"])
def test_a_missing_file_has_a_code_of_its_own(tmp_path: Path, good: Path, name: str) -> None:
    (tmp_path / "link.dcm").symlink_to(tmp_path / "gone.dcm")
    assert said(run(tmp_path / name, good)) == [("error", "file_missing"), ("ok", None)]


def test_a_name_that_no_file_can_have_is_one_error(tmp_path: Path, good: Path) -> None:
    result = run(tmp_path / ("x" * 300), good)
    assert said(result) == [("error", "file_unreadable"), ("ok", None)]


def test_a_closed_file_is_one_error_and_stops_no_other(closable: Path) -> None:
    (closable / "closed.dcm").write_bytes(b"x")
    (closable / "closed.dcm").chmod(0)
    result = run(closable / "closed.dcm", closable / "good.dcm")
    assert said(result) == [("error", "file_unreadable"), ("ok", None)]
    assert result.exit_code == 1


def test_a_closed_folder_and_what_lies_in_it_are_errors(closable: Path) -> None:
    closed = closable / "closed"
    closed.mkdir()
    closed.chmod(0)
    result = run(closed, closed / "image.dcm", closable / "good.dcm")
    assert said(result) == [("error", "file_unreadable")] * 2 + [("ok", None)]


def test_a_closed_folder_inside_a_folder_is_counted(closable: Path) -> None:
    (closable / "closed").mkdir(mode=0)
    result = run(closable)
    assert said(result) == [("ok", None)]
    assert "Passed over 1 entries" in result.stderr


def test_what_is_no_file_inside_a_folder_is_counted(tmp_path: Path, good: Path) -> None:
    (tmp_path / "link.dcm").symlink_to(tmp_path / "gone.dcm")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.dcm")
    result = run(tmp_path)
    assert said(result) == [("ok", None)]
    assert "Passed over 3 entries" in result.stderr
    assert result.exit_code == 0
