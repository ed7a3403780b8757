"""The command line of training: what it says before TensorFlow is even loaded."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.training.conftest import MODEL_FOLDER
from training import __main__ as command_line
from training.article import options as article_options
from training.chest_xray.settings import load_settings
from training.errors import TableError
from training.record import run_key
from training.work_folder import DEFAULT_WORK, what_was_found


def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "training", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize("what", ["chest_xray", "article"])
def test_help_names_the_options_and_loads_no_tensorflow(what: str) -> None:
    done = call(what, "--help")
    assert done.returncode == 0
    assert "--data" in done.stdout
    assert "--work" in done.stdout
    assert str(DEFAULT_WORK) in done.stdout
    program = "import training.__main__, sys; print('tensorflow' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert loaded.stdout.strip() == "False"


def test_a_data_folder_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    done = call("chest_xray", "--data", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "must be an existing folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_without_its_table_is_refused_before_tensorflow_loads(tmp_path: Path) -> None:
    done = call("chest_xray", "--data", str(tmp_path), "--work", str(tmp_path / "work"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "table: the data folder must hold cxr.csv; it does not."
    )
    assert "oneDNN" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (TableError("the data folder must hold cxr.csv; it does not"), 1, "table: the data folder"),
        (OSError(28, "No space left on device", "w.npz"), 1, "No space left on device: w.npz."),
        (KeyboardInterrupt(), 130, "the same command goes on"),
    ],
)
def test_what_ends_a_run_is_one_sentence_and_a_status(
    raised: BaseException,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ends(*_: object) -> None:
        raise raised

    monkeypatch.setattr(command_line, "_train_chest_xray", ends)
    monkeypatch.setattr(command_line, "signal", SimpleNamespace(
        signal=lambda *_: None, SIGTERM=15, default_int_handler=None))  # fmt: skip
    arguments = ["chest_xray", "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    assert command_line.main(arguments) == status
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_the_start_says_that_there_is_nothing_or_what_it_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[Path] = []
    monkeypatch.setattr(article_options, "train", lambda _, work: given.append(work))
    monkeypatch.setattr(command_line, "signal", SimpleNamespace(
        signal=lambda *_: None, SIGTERM=15, default_int_handler=None))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    assert command_line.main(["article", "--data", str(tmp_path)]) == 0
    assert given == [tmp_path / DEFAULT_WORK / "article"]
    assert "starting at the beginning" in caplog.text
    given[0].mkdir(parents=True)
    (given[0] / "head.npz").write_bytes(b"x" * 10)
    (given[0] / "body.partial.npz").write_bytes(b"x")
    assert command_line.main(["article", "--data", str(tmp_path)]) == 0
    assert "files: 1," in caplog.text
    assert "head.npz" in caplog.text


def test_an_unfinished_checkpoint_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "classifier.partial.npz").touch()
    assert "Nothing to go on from" in what_was_found(tmp_path)


def test_other_settings_or_data_never_go_on_from_the_same_files() -> None:
    settings = load_settings(MODEL_FOLDER / "training.toml")
    key = run_key(settings, "a" * 64)
    assert run_key(dataclasses.replace(settings, threads=7), "a" * 64) == key
    assert run_key(dataclasses.replace(settings, seed=settings.seed + 1), "a" * 64) != key
    assert run_key(settings, "b" * 64) != key
