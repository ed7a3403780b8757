"""Every awkward real file beside the checkout gets a clear answer."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from inference.path_reading import Answer, Shelf, read_path
from tests.inference.conftest import TOY_MODELS


@pytest.fixture(scope="module")
def answers(shared_dicom: Path) -> dict[str, tuple[str, Answer]]:
    """File -> what the index expects, and the answer of the toy model."""
    shelf = Shelf("toy_brightness", TOY_MODELS)
    with (shared_dicom / "index.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return {
        row["file"]: (row["expected"], read_path(shared_dicom / row["file"], shelf)) for row in rows
    }


def test_every_file_gets_an_answer_that_is_not_an_accident(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    assert len(answers) > 100
    for file, (_, answer) in answers.items():
        codes = {reason.code for reason in answer.reasons}
        assert "unexpected_error" not in codes, file
        assert answer.status == "ok" or codes, file
        assert all(reason.sentence.endswith(".") for reason in answer.reasons), file
        json.dumps(answer.as_json(), allow_nan=False)


def test_whatever_the_index_refuses_gets_no_number(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    for file, (expected, answer) in answers.items():
        if expected.startswith(("refuse", "CT ")):
            assert answer.status != "ok", file
            assert answer.probability is None, file


def test_wrong_modalities_are_answers_and_not_errors(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    for file, (expected, answer) in answers.items():
        if expected.startswith(("refuse: wrong modality", "CT ")):
            assert answer.status == "cannot_read", file
            assert "wrong_modality" in {reason.code for reason in answer.reasons}, file


def test_chest_radiographs_are_accepted_unless_a_reason_forbids_it(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    refused = {}
    for file, (expected, answer) in answers.items():
        if expected.startswith("accept; ") and answer.status != "ok":
            refused[file] = (answer.status, [reason.code for reason in answer.reasons])
    assert refused == {
        "highdicom__dx_image.dcm": ("cannot_read", ["under_minimum_age"]),  # 5 years old
        "fo-dicom__chrJapMulti.dcm": ("error", ["pixels_unreadable"]),  # a header, and no pixels
    }


def test_radiographs_of_other_body_parts_are_refused(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    for file, (expected, answer) in answers.items():
        if expected.startswith("accept as radiograph only if"):
            found = {reason.code for reason in answer.reasons}
            assert "wrong_body_part" in found <= {"wrong_body_part", "wrong_orientation"}, file


def test_a_radiograph_without_body_part_is_read_with_a_caution(
    answers: dict[str, tuple[str, Answer]],
) -> None:
    (answer,) = (a for expected, a in answers.values() if expected.startswith("accept or warn"))
    assert answer.status == "ok"
    assert "body_part_unknown" in {caution.code for caution in answer.cautions}
