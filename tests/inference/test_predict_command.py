"""`wetread predict` and `wetread models`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

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


SECOND_LOOK = ("--models-dir", str(TOY_MODELS[0]), "--model", "toy_second_look")
FURTHER = ["likelihood_ratio", "interval", "outside_share", "extent", "aside"]


def run(*arguments: str | Path) -> Result:
    return RUNNER.invoke(predict.command, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, Any]]:
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
        assert list(line)[-5:] == FURTHER


def test_an_answer_carries_what_the_contract_says(mixed: Path) -> None:
    result = run(mixed / "a.dcm", "--json", *TOY)
    assert result.exit_code == 0
    (line,) = lines(result)
    assert line["model"] == "toy_brightness"
    assert line["classes"] == {"dark": pytest.approx(0.5, abs=0.5), "bright": line["probability"]}
    assert line["positive"] is (line["probability"] >= 0.5)
    assert line["reasons"] == []


def test_cannot_read_is_an_answer_with_reasons_and_no_number(mixed: Path) -> None:
    result = run(mixed / "deep" / "1.2.840.7", "--json", *TOY)
    assert result.exit_code == 0
    (line,) = lines(result)
    assert (line["status"], line["probability"], line["positive"]) == ("cannot_read", None, None)
    assert line["reasons"][0]["code"] == "lateral_view"


def light(path: Path, columns: slice, **attributes: object) -> Path:
    """Write a radiograph whose light columns lie there; the toy's organ is from 16 to 48."""
    values = np.full((64, 64), 800, np.uint16)
    values[:, columns] = 4000
    path.write_bytes(to_bytes(chest(values, **attributes)))
    return path


def test_a_positive_answer_says_ratio_interval_map_and_extent(tmp_path: Path) -> None:
    (line,) = lines(run(light(tmp_path / "a.dcm", slice(8, 56)), "--json", *SECOND_LOOK))
    assert line["positive"] is True
    odds = line["probability"] / (1 - line["probability"])
    assert line["likelihood_ratio"] == pytest.approx(3 * odds, rel=1e-3)
    low, high = line["interval"]
    assert low < line["probability"] <= high
    assert 0 < line["outside_share"] < 0.6
    assert line["extent"] == {
        "level": 3,
        "level_label": "extensive",
        "measures": [
            {"key": "cells", "label": "Bright cells", "value": 48.0, "highest": 64, "error": 2.0}
        ],
    }
    assert line["aside"] is None


def test_a_child_gets_an_aside_and_no_number_of_the_target(tmp_path: Path) -> None:
    child = light(tmp_path / "child.dcm", slice(8, 56), PatientAge="004Y")
    result = run(child, "--json", *SECOND_LOOK)
    (line,) = lines(result)
    assert line["status"] == "cannot_read"
    assert [line[key] for key in ("probability", "positive", "classes")] == [None, None, {}]
    assert [line[key] for key in FURTHER[:4]] == [None] * 4
    assert [reason["code"] for reason in line["reasons"]] == ["under_minimum_age"]
    aside = line["aside"]
    assert set(aside) == {"key", "title", "classes", "cautions"}
    assert sum(aside["classes"].values()) == pytest.approx(1)
    assert result.exit_code == 0


def test_the_table_shows_an_aside_with_its_cautions(tmp_path: Path) -> None:
    child = light(tmp_path / "child.dcm", slice(8, 56), PatientAge="004Y")
    said = run(child, *SECOND_LOOK).stdout
    assert "cannot read; Full or empty: Full" in said
    assert "A toy's answer." in said
    assert "people aged 16 or more" in said


def test_the_table_shows_the_extent_of_a_positive_answer(tmp_path: Path) -> None:
    adult = light(tmp_path / "adult.dcm", slice(8, 56))
    assert "above the threshold; extent extensive" in run(adult, *SECOND_LOOK).stdout


def test_a_damaged_image_of_a_child_cannot_be_read_and_is_no_error(tmp_path: Path) -> None:
    child = light(tmp_path / "child.dcm", slice(8, 56), PatientAge="004Y")
    child.write_bytes(child.read_bytes()[:-100])
    (line,) = lines(run(child, "--json", *SECOND_LOOK))
    assert (line["status"], line["aside"]) == ("cannot_read", None)
    assert [reason["code"] for reason in line["reasons"]] == ["under_minimum_age"]


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
    assert "holds none" in line["reasons"][0]["sentence"]


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
    assert all("CT" in line["reasons"][0]["sentence"] for line in lines(result))
    assert result.exit_code == 0


def test_an_object_without_image_cannot_be_read(tmp_path: Path) -> None:
    report = chest(Modality="SR", PixelData=None, Rows=None, Columns=None)
    (tmp_path / "report.dcm").write_bytes(to_bytes(report))
    (line,) = lines(run(tmp_path, "--json"))
    assert line["status"] == "cannot_read"
    assert line["reasons"][0]["code"] == "no_image"


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
    assert [line["reasons"][0]["code"] for line in lines(result)] == ["model_refused"] * 2
    assert result.exit_code == 1


def test_models_are_listed_and_verified() -> None:
    arguments = ["--json", "--verify", "--models-dir", str(TOY_MODELS[0])]
    result = RUNNER.invoke(models.command, arguments)
    rows = {row["name"]: row for row in lines(result)}
    assert rows["toy_brightness"]["problem"] is None
    assert rows["toy_brightness"]["target"] == "bright"
    assert str(rows["toy_brightness"]["runtime"]).startswith("onnx")


def test_models_are_listed_with_their_operating_points() -> None:
    result = RUNNER.invoke(models.command, ["--json", "--models-dir", str(TOY_MODELS[0])])
    rows = {row["name"]: row for row in lines(result)}
    points = rows["toy_second_look"]["operating_points"]
    assert [point["name"] for point in points] == ["rule_out", "balanced", "rule_in"]
    assert points[0]["sensitivity"] == {"value": 0.95, "low": 0.9, "high": 0.98}
    assert rows["toy_second_look"]["threshold"] == 0.5
    (only,) = rows["toy_brightness"]["operating_points"]
    assert only == {"name": "balanced", "threshold": 0.5, "sensitivity": None, "specificity": None}
    said = RUNNER.invoke(models.command, ["--models-dir", str(TOY_MODELS[0])]).stdout
    assert "bright, rule out: from 0.2, sens. 0.95, spec. 0.40" in said
    assert "bright, rule in: from 0.9" in said


def test_models_are_listed_in_a_table() -> None:
    result = RUNNER.invoke(models.command, ["--models-dir", str(TOY_MODELS[0])])
    assert "toy_brightness" in result.stdout


def test_a_refused_model_is_listed_with_its_problem(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(TOY_MODELS[0] / "toy_brightness", tmp_path / "toy_brightness"))
    (folder / "facts.py").write_text("FACTS = None\n")
    result = RUNNER.invoke(models.command, ["--models-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "toy_brightness" in result.stdout
