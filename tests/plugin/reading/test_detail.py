"""What stands behind the number: thresholds, extent, the map outside the lungs; and an aside."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.prediction import Measure, Prediction
from plugin.reporting.detail_words import outside_note, points_in_words
from plugin.reporting.fhir_codes import OWN, OWN_CODES
from plugin.reporting.report import ReportResources, build_report
from plugin.reporting.result import result_json
from plugin.reporting.wording import UNREAD
from tests.plugin.reading.pdf_text import text_of
from tests.plugin.reading.samples import CHILD, EXTENT, FULL, FULL_FACTS, SITE, context

FINAL = ("exclud", "confirm", "rules out", "rules in", "negative", "positive", "normal")


def built_of(prediction: Prediction) -> ReportResources:
    return build_report(prediction, context(model=FULL_FACTS, site=SITE))


def page_of(prediction: Prediction) -> dict[str, Any]:
    words = built_of(prediction).words
    return result_json(
        prediction, FULL_FACTS, words, None, card="c", read_at="2026-01-02", site=SITE
    )


def parts_of(observation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["code"]["coding"][0]["code"]: part for part in observation["component"]}


@pytest.mark.parametrize("prediction", [FULL, CHILD], ids=["read", "child"])
def test_everything_written_is_valid_r4_with_codes_that_are_defined(prediction: Prediction) -> None:
    built = built_of(prediction)
    for resource in (built.report, built.observation, built.provenance):
        model: Any = get_fhir_model_class(resource["resourceType"])
        model.model_validate(resource)
    for part in built.observation.get("component", ()):
        (coding,) = part["code"]["coding"]
        if coding["system"] == OWN:
            assert OWN_CODES[coding["code"]] == coding["display"]


@settings(deadline=None)
@given(st.floats(0, 1))
def test_the_sides_follow_the_thresholds_and_are_never_a_verdict(probability: float) -> None:
    points = points_in_words(replace(FULL, probability=probability, extent=None), FULL_FACTS)
    assert [point.label for point in points] == ["Rule-out", "Balanced", "Rule-in"]
    assert [point.above for point in points] == [probability >= limit for limit in (0.2, 0.5, 0.9)]
    low, high = points[0].caution, points[2].caution
    assert low == (None if probability >= 0.2 else "A low score does not exclude Covid-19.")
    assert high == ("A high score does not confirm Covid-19." if probability >= 0.9 else None)
    for point in points:
        said = f"{point.side} {point.caution or ''}".lower()
        said = said.replace("does not exclude", "").replace("does not confirm", "")
        assert not [word for word in FINAL if word in said]


def test_thresholds_and_their_figures_are_in_the_pdf_and_for_the_page() -> None:
    text = text_of(built_of(FULL).pdf)
    assert "Rule-out: Above the rule-out threshold. Measured: sensitivity 97 % (93 to 99), " in text
    assert "Rule-in: Below the rule-in threshold. Measured: sensitivity 52 % (44 to 60)" in text
    assert "Interval: Venn-Abers interval; it does not cover images of another hospital." in text
    assert "The model was calibrated where 43 in 100 patients have Covid-19." in text
    page = page_of(FULL)
    assert [(one["label"], one["above"]) for one in page["operating_points"]] == [
        ("Rule-out", True),
        ("Balanced", True),
        ("Rule-in", False),
    ]
    assert page["interval_method"] == FULL_FACTS.interval_method


def test_a_point_without_figures_says_so_by_silence() -> None:
    (balanced,) = points_in_words(
        FULL, replace(FULL_FACTS, operating_points=(replace(FULL_FACTS.operating_point,
                                                            sensitivity=None),))
    )  # fmt: skip
    assert balanced.sensitivity is None
    assert balanced.specificity == "79 % (74 to 83)"


def test_extent_is_said_with_its_errors_in_conclusion_pdf_page_and_observation() -> None:
    built, page = built_of(FULL), page_of(FULL)
    said = (
        "Radiographic extent: level 2 of 3 (moderate); geographic extent 3.1 of 8 (typical error "
        "1.2), opacity 2.4 of 6 (typical error 0.9). It describes the image, not how ill the "
        "patient is."
    )
    assert said in built.report["conclusion"]
    assert said in text_of(built.pdf)
    assert page["extent"]["sentences"] == [said]
    assert page["extent"]["measures"][0] == "geographic extent 3.1 of 8 (typical error 1.2)"
    parts = parts_of(built.observation)
    assert parts["extent-level"]["valueInteger"] == 2
    assert "moderate" in parts["extent-level"]["code"]["text"]
    measure = parts["extent-geographic-extent"]
    assert measure["valueQuantity"]["value"] == 3.1
    assert measure["code"]["text"] == "geographic extent 3.1 of 8 (typical error 1.2)"
    assert parts["extent-opacity"]["valueQuantity"]["code"] == "{score}"


def test_a_measure_without_a_code_of_its_own_is_named_by_its_text() -> None:
    extent = replace(EXTENT, measures=(Measure("spots", "spots", 3.0, 9, 1.0),))
    parts = parts_of(built_of(replace(FULL, extent=extent)).observation)
    assert parts["extent-measure"]["code"]["text"] == "spots 3.0 of 9 (typical error 1.0)"


def test_without_extent_nothing_is_said_of_it() -> None:
    built = built_of(replace(FULL, extent=None))
    assert "extent" not in built.report["conclusion"]
    assert not [code for code in parts_of(built.observation) if code.startswith("extent")]


def test_an_aside_is_words_alone_and_there_is_no_number_for_the_target() -> None:
    built, page = built_of(CHILD), page_of(CHILD)
    assert "valueQuantity" not in built.observation
    assert "component" not in built.observation
    observation = json.dumps(built.observation)
    assert "bacterial" not in observation
    assert "0.7" not in observation
    assert "%" not in observation
    for text in (built.report["conclusion"], text_of(built.pdf)):
        assert "If this child has pneumonia: bacterial 70 %, viral 30 %." in text
        assert "Not for withholding antibiotics" in text
        assert "This says nothing about Covid-19, neither for nor against it." in text
        assert "Trained on children of one hospital." in text
        assert text.count("%") == 2
    assert built.report["conclusion"].startswith(UNREAD)
    assert page["probability"] is None
    assert (page["classes"], page["meaning"], page["operating_points"]) == ([], [], [])
    assert [one["percent"] for one in page["aside"]["classes"]] == ["70 %", "30 %"]
    assert page["aside"]["notes"][0].startswith("Not for withholding antibiotics")


def test_what_the_page_puts_elsewhere_is_word_for_word_among_the_reports_sentences() -> None:
    """The page leaves out of its list what it shows in another place: it compares texts."""
    for prediction in (FULL, CHILD):
        page = page_of(prediction)
        places = [page["meaning"]]
        places += [page[name]["sentences"] for name in ("extent", "aside") if page[name]]
        for sentence in (sentence for place in places for sentence in place):
            assert page["sentences"].count(sentence) == 1, sentence


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.12, "12 % of the map's weight lies outside the lungs."),
        (0.0, "Below 1 % of the map's weight lies outside the lungs."),
        (1.0, "Above 99 % of the map's weight lies outside the lungs."),
        (None, None),
    ],
)
def test_the_share_of_the_map_outside_the_organ_is_said(
    share: float | None, said: str | None
) -> None:
    assert outside_note(share, "lungs") == said
    assert page_of(replace(FULL, outside_share=share))["outside"] == said
