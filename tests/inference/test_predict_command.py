"""`wetread predict` and `wetread models`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from plugin.commands import models, predict
from tests.inference.conftest import TOY_MODELS
from tests.inference.dicom_files import chest, gradient, to_bytes

TOY = ("--models-dir", str(TOY_MODELS[0]), "--model", "toy_brightness")
RUNNER = CliRunner(env={"COLUMNS": "250"})
FIELDS = ["path", "status", "model", "probability", "positive", "classes", "reasons"]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder tree with one file of each kind."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.dcm").write_bytes(to_bytes(chest()))
    (tmp_path / "deep" / "1.2.840.7").write_bytes(to_bytes(chest(ViewPosition="LL")))
    (tmp_path / "deep" / "er" / "broken.dcm").write_bytes(to_bytes(chest())[:-100])
    picture = gradient(64, 64, top=255, dtype=np.uint8)
    for name in ("b.png", "c.jpg"):
        (tmp_path / name).write_bytes(cv2.imencode(name[1:], picture)[1].tobytes())
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").write_text("not an image")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return RUNNER.invoke(predict.command, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_is_read_to_its_depth_with_one_object_a_line(mixed: Path) -> None:
    result = run(mixed, "--json", *TOY)
    answers = {Path(str(line["path"])).name: line for line in lines(result)}
    assert {name: line["status"] for name, line in answers.items()} == {
        "a.dcm": "ok",
        "b.png": "ok",
        "c.jpg": "ok",
        "1.2.840.7": "cannot_read",
        "broken.dcm": "error",
    }
    assert result.exit_code == 1
    assert "Passed over 1 files" in result.stderr
    for line in answers.values():
        assert list(line)[:7] == FIELDS
        assert isinstance(line["seconds"], float)


def test_an_answer_carries_what_the_contract_says(mixed: Path) -> None:
    result = run(mixed / "a.dcm", "--json", *TOY)
    assert result.exit_code == 0
    (line,) = lines(result)
    assert line["model"] == "toy_brightness"
    assert line["classes"] == {"dark": pytest.approx(0.5, abs=0.5), "bright": line["probability"]}
    assert line["positive"] is (line["probability"] >= 0.5)  # type: ignore[operator]
    assert line["reasons"] == []


def test_cannot_read_is_an_answer_with_reasons_and_no_number(mixed: Path) -> None:
    result = run(mixed / "deep" / "1.2.840.7", "--json", *TOY)
    assert result.exit_code == 0
    (line,) = lines(result)
    assert (line["status"], line["probability"], line["positive"]) == ("cannot_read", None, None)
    assert line["reasons"][0]["code"] == "lateral_view"  # type: ignore[index]


def test_a_bad_file_does_not_stop_the_others(mixed: Path) -> None:
    paths = (mixed / "notes.txt", mixed / "missing.dcm", mixed / "a.dcm")
    result = run(*paths, "--json", *TOY)
    assert [line["status"] for line in lines(result)] == ["error", "error", "ok"]
    assert result.exit_code == 1


def test_the_table_speaks_to_people(mixed: Path) -> None:
    result = run(mixed, *TOY)
    assert "3 read, 1 cannot be read, 1 with an error." in result.stdout
    assert "research" in result.stdout
    assert result.stdout.count("this is a side view") == 1
    assert result.exit_code == 1


def test_an_empty_folder_is_an_error_in_words(tmp_path: Path) -> None:
    result = run(tmp_path, "--json", *TOY)
    (line,) = lines(result)
    assert line["status"] == "error"
    assert "holds none" in line["reasons"][0]["sentence"]  # type: ignore[index]


def test_a_path_with_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "[red]x[bold].dcm"
    path.write_bytes(to_bytes(chest()))
    assert "[red]x[bold].dcm" in run(path, *TOY).stdout


def test_a_ct_series_without_a_ct_model_cannot_be_read(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.dcm").write_bytes(
            to_bytes(chest(Modality="CT", InstanceNumber=number))
        )
    result = run(tmp_path, "--json")
    assert [line["status"] for line in lines(result)] == ["cannot_read"] * 3
    assert all("CT" in line["reasons"][0]["sentence"] for line in lines(result))  # type: ignore[index]
    assert result.exit_code == 0


def test_an_object_without_image_cannot_be_read(tmp_path: Path) -> None:
    report = chest(Modality="SR", PixelData=None, Rows=None, Columns=None)
    (tmp_path / "report.dcm").write_bytes(to_bytes(report))
    (line,) = lines(run(tmp_path, "--json"))
    assert line["status"] == "cannot_read"
    assert line["reasons"][0]["code"] == "no_image"  # type: ignore[index]


def test_files_with_unusual_names_are_found_by_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(to_bytes(chest(Modality="CT")))
    (tmp_path / "table.bin").write_bytes(b"1;2;3")
    result = run(tmp_path, "--json")
    assert [Path(str(line["path"])).name for line in lines(result)] == ["image.bin"]


def test_an_accident_in_one_file_does_not_stop_the_others(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference import path_reading

    def fails(*_arguments: object) -> None:
        raise RuntimeError("SECRET^NAME")

    monkeypatch.setattr(path_reading, "_answered", fails)
    result = run(mixed / "a.dcm", mixed / "b.png", "--json", *TOY)
    assert [line["status"] for line in lines(result)] == ["error", "error"]
    assert "RuntimeError" in result.stdout
    assert "SECRET" not in result.stdout


def test_an_unknown_model_is_a_usage_error(mixed: Path) -> None:
    result = run(mixed, "--model", "nonsense")
    assert result.exit_code == 2
    assert "must be one of" in result.stderr


def test_a_refused_model_is_an_error_for_each_file(tmp_path: Path, mixed: Path) -> None:
    folder = tmp_path / "spoiled"
    shutil.copytree(TOY_MODELS[0] / "toy_brightness", folder / "toy_brightness")
    (folder / "toy_brightness" / "golden.json").write_text("{}")
    spoiled = ("--models-dir", folder, "--model", "toy_brightness")
    result = run(mixed / "a.dcm", mixed / "b.png", "--json", *spoiled)
    assert [line["reasons"][0]["code"] for line in lines(result)] == ["model_refused"] * 2  # type: ignore[index]
    assert result.exit_code == 1


def test_models_are_listed_and_verified() -> None:
    arguments = ["--json", "--verify", "--models-dir", str(TOY_MODELS[0])]
    result = RUNNER.invoke(models.command, arguments)
    rows = {row["name"]: row for row in lines(result)}
    assert rows["toy_brightness"]["problem"] is None
    assert rows["toy_brightness"]["target"] == "bright"
    assert str(rows["toy_brightness"]["runtime"]).startswith("onnx")


def test_models_are_listed_in_a_table() -> None:
    result = RUNNER.invoke(models.command, ["--models-dir", str(TOY_MODELS[0])])
    assert "toy_brightness" in result.stdout


def test_a_refused_model_is_listed_with_its_problem(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(TOY_MODELS[0] / "toy_brightness", tmp_path / "toy_brightness"))
    (folder / "facts.py").write_text("FACTS = None\n")
    result = RUNNER.invoke(models.command, ["--models-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "toy_brightness" in result.stdout
