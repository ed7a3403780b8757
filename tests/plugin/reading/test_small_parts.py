"""Names, words and steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.images import DicomFacts
from plugin.imaging.cache import ImageCache
from plugin.imaging.patient_card import patient_identifiers, patient_line, patient_name
from plugin.jobs.problems import may_pass, problem_from
from plugin.reporting.image_read import image_read
from plugin.reporting.percent import percent
from plugin.reporting.result import result_json, view_label
from plugin.reporting.wording import put_into_words
from plugin.steps import Progress
from smart_launch.errors import FhirUnavailable
from tests.plugin.reading.samples import FACTS, READ, UNREAD


@pytest.mark.parametrize(
    ("patient", "name"),
    [
        ({"name": [{"family": "Clark", "given": ["Dan", "X"]}]}, "CLARK, Dan X"),
        ({"name": [{"text": "Dan Clark"}]}, "Dan Clark"),
        ({"name": [{"family": "Old", "use": "old"}, {"family": "New"}]}, "NEW"),
        ({"name": [{"given": ["Nick"], "use": "nickname"}, {"family": "Real"}]}, "REAL"),
        ({"name": [{}]}, "Name unknown"),
        ({}, "Name unknown"),
    ],
)
def test_a_patient_is_named(patient: dict[str, Any], name: str) -> None:
    assert patient_name(patient) == name


def test_identifiers_in_use_are_listed_with_a_label() -> None:
    patient = {
        "identifier": [
            {"system": "s", "value": "1", "type": {"coding": [{"code": "MR"}]}},
            {"system": "s", "value": "2", "use": "old"},
            {"value": "3"},
            {"system": "s"},
        ]
    }
    found = [(one["label"], one["value"]) for one in patient_identifiers(patient)]
    assert found == [("MR", "1"), ("ID", "3")]
    assert patient_line(patient) == "Name unknown, MR 1, ID 3"


@settings(deadline=None)
@given(st.floats(0, 1))
def test_percent_never_claims_certainty(probability: float) -> None:
    text = percent(probability)
    assert not text.startswith(("0 ", "100"))


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.006, "below 1 %"), (0.01, "1 %"), (0.485, "48 %"), (0.99, "99 %"), (0.992, "above 99 %")],
)
def test_headline_and_score_are_the_same_text(probability: float, text: str) -> None:
    prediction = replace(READ, probability=probability, positive=probability > 0.5)
    words = put_into_words(prediction, FACTS, unverifiable=False)
    result = result_json(prediction, FACTS, words, None, card="c", read_at="2026-01-02")
    assert result["percent"] == text
    assert f"probability {text} (" in words.headline


@pytest.mark.parametrize("positive", [True, False])
def test_the_words_say_what_was_looked_for_and_never_negative_or_normal(positive: bool) -> None:
    prediction = replace(READ, positive=positive, probability=0.9 if positive else 0.1)
    text = put_into_words(prediction, FACTS, unverifiable=False).text
    assert "Looked only for Covid-19; a low score does not exclude it." in text
    assert "negative" not in text.lower()
    assert "normal" not in text.lower()


@pytest.mark.parametrize(
    ("probability", "positive", "headline"),
    [
        (0.338, False, "No clear signs of Covid-19: probability 34 % (threshold 50 %)."),
        (0.91, True, "Signs that fit Covid-19: probability 91 % (threshold 50 %)."),
        (0.4987, False, "No clear signs of Covid-19: probability 50 % (just below the threshold)."),
        (0.5, True, "Signs that fit Covid-19: probability 50 % (just above the threshold)."),
    ],
)
def test_the_headline_shows_on_which_side_of_the_threshold_the_number_lies(
    probability: float, positive: bool, headline: str
) -> None:
    prediction = replace(READ, probability=probability, positive=positive)
    assert put_into_words(prediction, FACTS, unverifiable=False).headline == headline


def test_the_share_of_ill_patients_that_the_number_presumes_is_said_with_it() -> None:
    facts = replace(FACTS, reference_prevalence=0.43)
    text = put_into_words(READ, facts, unverifiable=False).text
    assert "presumes that 43 in 100 patients have Covid-19" in text


def test_the_result_for_the_page_is_plain_json() -> None:
    for prediction in (READ, UNREAD):
        words = put_into_words(prediction, FACTS, unverifiable=False)
        image = image_read(prediction, [DicomFacts(sop_instance_uid="1.2.3")])
        result = result_json(prediction, FACTS, words, image, card="c", read_at="2026-01-02")
        assert json.loads(json.dumps(result)) == result
        assert result["status"] == prediction.status
        assert result["image"] == 1
        assert result["sop_instance_uid"] == ("1.2.3" if prediction is READ else None)
        assert (result["probability"] is None) == (result["percent"] is None)


def test_every_probability_has_the_servers_text() -> None:
    sure = replace(READ, probability=0.992, classes={"covid": 0.992, "normal": 0.008})
    words = put_into_words(sure, FACTS, unverifiable=False)
    result = result_json(sure, FACTS, words, None, card="c", read_at="2026-01-02")
    assert result["percent"] == "above 99 %"
    shown = [(entry["target"], entry["percent"]) for entry in result["classes"]]
    assert shown == [(True, "above 99 %"), (False, "below 1 %")]
    assert "above 99 %" in result["headline"]


@pytest.mark.parametrize(
    ("index", "views", "sentence"),
    [
        (0, ["PA"], "The only image of the study that this model reads (PA) was read."),
        (0, [None], "The only image of the study that this model reads was read."),
        (1, ["LL", "AP SUPINE"], "Image 2 of 2 (AP) was read, and no other image of the study."),
        (0, ["MISS DOE", "PA"], "Image 1 of 2 was read, and no other image of the study."),
    ],
)
def test_the_image_that_was_read_is_named(
    index: int, views: list[str | None], sentence: str
) -> None:
    facts = [DicomFacts(view_position=view, sop_instance_uid="<b>") for view in views]
    found = image_read(replace(READ, image_index=index), facts)
    assert found is not None
    assert (found.sentence, found.sop_instance_uid) == (sentence, None)


def test_views_are_put_into_words() -> None:
    assert view_label("PA") == "Posteroanterior (PA)"
    assert view_label("OBLIQUE") == "Oblique"
    assert view_label(None) is None


def test_of_two_workers_that_fetch_one_study_the_later_uses_what_the_first_fetched(
    tmp_path: Path,
) -> None:
    one, other = ImageCache(tmp_path), ImageCache(tmp_path)
    folder = one.folder("launch", "study")

    with one.filling(folder, "mark") as late:
        (late / "1.dcm").write_bytes(b"late")
        with other.filling(folder, "mark") as first:
            (first / "1.dcm").write_bytes(b"first")
    (image,) = one.images(folder, "mark")
    assert image.read_bytes() == b"first"
    assert [place.name for place in folder.iterdir()] == ["images-mark"]


def test_steps_tell_how_far_a_job_is() -> None:
    told: list[list[str]] = []
    progress = Progress({"a": "A", "b": "B"}, lambda s: told.append([x["state"] for x in s]))
    with progress.step("a"):
        pass
    with pytest.raises(ZeroDivisionError), progress.step("b"):
        _ = 1 / 0
    assert told == [["running", "waiting"], ["done", "running"]]
    assert [step["state"] for step in progress.as_json()] == ["done", "failed"]
    assert set(progress.timings_ms()) == {"a", "b"}


def test_an_unexpected_error_is_told_without_its_message() -> None:
    problem = problem_from(ValueError("CLARK, Dan"))
    assert problem.code == "internal"
    assert "CLARK" not in str(problem)
    assert not may_pass(ValueError())
    assert may_pass(FhirUnavailable("x", "y", retryable=True))
