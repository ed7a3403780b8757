"""The first gate: a reason instead of a number, a caution instead of a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference.gate import check_facts, check_pixels, joined
from inference.images import DicomFacts, Image
from inference.model_facts import ModelFacts
from inference.model_folder import GateResult
from inference.registry import model_facts
from tests.inference.conftest import TOY_MODELS

TOY = model_facts("toy_brightness", TOY_MODELS)
ADULT = DicomFacts(modality="CR", body_part="CHEST", view_position="PA", patient_age_years=60)


def image(facts: DicomFacts | None = ADULT, **changes: Any) -> Image:
    values = np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(64, 48)
    plain = Image(
        pixels=values,
        stored=(values * 255).astype(np.uint16),
        window=(128, 256),
        inverted=False,
        colour=False,
        frames=1,
        source="dicom",
        spacing_mm=None,
        facts=facts,
    )
    return replace(plain, **changes)


def check_image(model: ModelFacts, shown: Image) -> GateResult:
    return joined((check_facts(model, shown.facts), check_pixels(model, shown)))


def codes(result: GateResult) -> tuple[list[str], list[str]]:
    return [r.code for r in result.reasons], [c.code for c in result.cautions]


def test_a_frontal_chest_radiograph_of_an_adult_passes_without_a_word() -> None:
    assert codes(check_image(TOY, image())) == ([], [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"modality": "CT"}, "wrong_modality"),
        ({"modality": None}, "wrong_modality"),
        ({"body_part": "HIP"}, "wrong_body_part"),
        ({"view_position": "LL"}, "lateral_view"),
        ({"view_position": "LATERAL"}, "lateral_view"),
        ({"view_position": "OBLIQUE"}, "wrong_view"),
        ({"view_position": "AP/LAT"}, "lateral_view"),
        ({"presentation_intent": "FOR PROCESSING"}, "raw_detector_data"),
        ({"patient_age_years": 15.99}, "under_minimum_age"),
        ({"patient_age_years": 0.0}, "under_minimum_age"),
        ({"patient_orientation": "R\\F"}, "wrong_orientation"),
        ({"patient_orientation": "L\\H"}, "wrong_orientation"),
        ({"patient_orientation": "F\\L"}, "wrong_orientation"),
        ({"patient_orientation": "P\\F"}, "wrong_orientation"),
    ],
)
def test_what_is_wrong_is_refused(change: dict[str, Any], code: str) -> None:
    assert codes(check_facts(TOY, replace(ADULT, **change))) == ([code], [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body_part": None}, "body_part_unknown"),
        ({"view_position": None}, "view_unknown"),
        ({"patient_age_years": None}, "age_unknown"),
        ({"patient_age_in_doubt": True}, "age_contradictory"),
    ],
)
def test_what_is_unknown_is_said_and_not_guessed(change: dict[str, Any], code: str) -> None:
    assert codes(check_facts(TOY, replace(ADULT, **change))) == ([], [code])


@pytest.mark.parametrize("body_part", ["CHEST", "THORAX", "PORT CHEST", "CHEST_PA"])
def test_ways_to_write_chest_are_accepted(body_part: str) -> None:
    assert check_facts(TOY, replace(ADULT, body_part=body_part)).reasons == ()


@pytest.mark.parametrize("view", ["PA", "AP", "AP SUPINE", "PA_ERECT"])
def test_frontal_views_are_accepted(view: str) -> None:
    assert check_facts(TOY, replace(ADULT, view_position=view)).reasons == ()


@pytest.mark.parametrize("orientation", ["L\\F", "LA\\F", "L\\FP", None])
def test_upright_frontal_images_pass_whether_they_say_so_or_not(orientation: str | None) -> None:
    assert codes(check_facts(TOY, replace(ADULT, patient_orientation=orientation))) == ([], [])


def test_a_model_without_views_takes_any_orientation() -> None:
    slices, facts = replace(TOY, views=()), replace(ADULT, patient_orientation="R\\A")
    assert codes(check_facts(slices, facts)) == ([], [])


def test_sixteen_is_old_enough() -> None:
    assert check_facts(TOY, replace(ADULT, patient_age_years=16.0)).reasons == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"colour": True}, "colour_image"),
        ({"pixels": np.linspace(0, 1, 31 * 60, dtype=np.float32).reshape(31, 60)}, "too_small"),
        ({"pixels": np.full((64, 64), 0.5, np.float32)}, "blank_image"),
    ],
)
def test_pixels_that_cannot_be_a_radiograph_are_refused(change: dict[str, Any], code: str) -> None:
    assert codes(check_image(TOY, image(**change))) == ([code], [])


def test_several_frames_are_mentioned() -> None:
    assert codes(check_image(TOY, image(frames=140))) == ([], ["several_frames"])


def test_a_picture_without_facts_is_read_with_a_caution() -> None:
    result = check_image(TOY, image(facts=None, source="picture"))
    assert codes(result) == ([], ["picture_without_facts"])
    assert "16" in result.cautions[0].sentence


def test_a_model_may_refuse_pictures() -> None:
    strict = replace(TOY, pictures="never")
    assert codes(check_image(strict, image(facts=None))) == (["picture_without_facts"], [])


def test_free_text_of_the_header_is_not_quoted() -> None:
    named = replace(ADULT, body_part="MISS JANE DOE OF 12 HIGH STREET")
    assert "JANE" not in check_facts(TOY, named).reasons[0].sentence
    marked = replace(ADULT, modality="<SCRIPT>")
    assert "<" not in check_facts(TOY, marked).reasons[0].sentence


def test_all_reasons_are_given_at_once() -> None:
    child = replace(ADULT, modality="CT", patient_age_years=3)
    assert codes(check_facts(TOY, child))[0] == ["wrong_modality", "under_minimum_age"]
