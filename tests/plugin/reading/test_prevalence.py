"""The prevalence that a probability presumes: moved once, said alike, part of the key."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.model_facts import Coding
from inference.prevalence import likelihood_ratio, posterior
from plugin.jobs.job_runner import JobRunner
from plugin.jobs.leases import Leases
from plugin.launching.launches import OpenLaunch
from plugin.reporting.answer import answer_at
from plugin.reporting.percent import percent
from plugin.reporting.prevalence_words import ratio_note, share_in_words
from plugin.reporting.report import build_report, reading_key
from plugin.reporting.result import result_json
from plugin.reporting.site_prevalence import Prevalence, presumed, site_prevalence
from plugin.reporting.wording import put_into_words
from plugin.workbench import Workshop
from tests.plugin.reading.conftest import BrightnessModel, Jobs, make_ehr
from tests.plugin.reading.hospital import Hospital
from tests.plugin.reading.pdf_text import text_of
from tests.plugin.reading.samples import FACTS, FULL, FULL_FACTS, IDENTITY, READ, SITE, context

SHARE = st.floats(0.001, 0.999)
PROBABILITY = st.floats(0.0001, 0.9999)
WITH_PREVALENCE = replace(FULL_FACTS, name="chest_xray")


def component(observation: dict[str, Any], code: str) -> Any:
    """The value of the component with this code; None without it."""
    for one in observation.get("component", ()):
        if one["code"]["coding"][0]["code"] == code:
            return one["valueQuantity"]["value"]
    return None


@settings(deadline=None)
@given(PROBABILITY, PROBABILITY, PROBABILITY, st.none() | SHARE)
def test_page_pdf_report_and_observation_say_the_same_numbers(
    probability: float, one: float, other: float, share: float | None
) -> None:
    prediction = replace(
        FULL,
        probability=probability,
        positive=probability >= 0.5,
        extent=FULL.extent if probability >= 0.5 else None,
        classes={"covid": probability, "normal": 1 - probability},
        interval=(min(one, other), max(one, other)),
        likelihood_ratio=likelihood_ratio(probability, 0.43),
    )
    site = None if share is None else Prevalence(share, "installation")
    built = build_report(prediction, context(model=FULL_FACTS, site=site))
    observation, conclusion = built.observation, built.report["conclusion"]
    page = result_json(
        prediction, FULL_FACTS, built.words, None, card="c", read_at="2026-01-02", site=site
    )
    assert observation["valueQuantity"]["value"] == page["probability"]
    assert page["percent"] == percent(page["probability"])
    assert component(observation, "840539006") == page["probability"]
    bounds = [component(observation, f"interval-{end}") for end in ("low", "high")]
    assert bounds == page["interval"]
    presumes = page["presumed"]["prevalence"]
    assert component(observation, "prevalence-presumed") == pytest.approx(presumes, rel=1e-3)
    assert component(observation, "prevalence-reference") == 0.43
    ratio = page["presumed"]["ratio"]
    assert component(observation, "likelihood-ratio") == pytest.approx(ratio, rel=1e-3)
    pdf = text_of(built.pdf)
    for said in (*page["meaning"], page["headline"]):
        assert said in conclusion
        assert said in pdf
    assert f"probability {page['percent']} (" in page["headline"]
    assert observation["note"][0]["text"] == " ".join(page["meaning"])
    for shown in page["classes"]:
        assert f"{shown['label']}: {shown['percent']}" in pdf


@settings(deadline=None)
@given(PROBABILITY, PROBABILITY, SHARE)
def test_everything_is_moved_by_the_same_step_and_no_image_changes_its_side(
    probability: float, low: float, share: float
) -> None:
    facts, low = FULL_FACTS, min(low, probability)
    prediction = replace(
        FULL,
        probability=probability,
        positive=probability >= 0.5,
        extent=None,
        classes={"covid": probability, "normal": (1 - probability) / 2, "x": (1 - probability) / 2},
        interval=(low, probability),
    )
    answer = answer_at(prediction, facts, Prevalence(share, "installation"))
    assert answer is not None
    near = pytest.approx(posterior(probability, 0.43, share), abs=1e-4)
    assert answer.probability == near
    assert answer.classes["covid"] == near
    assert answer.interval is not None
    assert answer.interval[0] == pytest.approx(posterior(low, 0.43, share), abs=1e-4)
    assert answer.interval[1] == near
    assert sum(answer.classes.values()) == pytest.approx(1, abs=3e-4)
    assert answer.classes["normal"] == answer.classes["x"]
    assert answer.positive == prediction.positive
    moved = posterior(probability, 0.43, share)
    assert (moved >= answer.threshold) == answer.positive or math.isclose(moved, answer.threshold)
    assert answer.interval_ratios is not None
    assert answer.interval_ratios[0] == likelihood_ratio(low, 0.43)


def test_without_a_setting_the_models_reference_is_presumed_and_named() -> None:
    built = build_report(FULL, context(model=FULL_FACTS))
    assert built.observation["valueQuantity"]["value"] == 0.8731
    (note,) = built.observation["note"]
    assert "43 in 100 patients have Covid-19 (the model's reference;" in note["text"]
    assert component(built.observation, "prevalence-presumed") == 0.43


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (SITE, "5 in 100 patients have Covid-19 (as set for North Hospital)"),
        (Prevalence(0.002, "installation"), "2 in 1000 patients have Covid-19 (as set for this"),
    ],
)
def test_who_set_the_prevalence_is_said(site: Prevalence, words: str) -> None:
    assert words in put_into_words(FULL, FULL_FACTS, unverifiable=False, site=site).text


def test_a_model_that_states_no_prevalence_is_never_moved() -> None:
    answer = answer_at(READ, FACTS, None)
    assert answer is not None
    assert (answer.probability, answer.prevalence, answer.ratio) == (0.8731, None, None)
    page = result_json(
        READ, FACTS, put_into_words(READ, FACTS, unverifiable=False), None, card="c", read_at="2026"
    )
    assert page["presumed"] is None


def test_the_ehrs_prevalence_comes_before_the_installations(hospital: Hospital) -> None:
    own, none = make_ehr(hospital, prevalence=0.05), make_ehr(hospital)
    assert site_prevalence(FULL_FACTS, own, 0.2) == Prevalence(0.05, "ehr", "North Hospital")
    assert site_prevalence(FULL_FACTS, none, 0.2) == Prevalence(0.2, "installation")
    assert site_prevalence(FULL_FACTS, none, None) is None
    assert presumed(FULL_FACTS, None) == Prevalence(0.43, "model")
    assert site_prevalence(FACTS, own, 0.2) is None
    assert presumed(FACTS, None) is None


def test_a_share_of_covid_is_not_applied_to_another_finding(hospital: Hospital) -> None:
    covid, normal = FULL_FACTS.classes
    fracture = replace(covid, coding=Coding("http://snomed.info/sct", "125605004", "Fracture"))
    facts = replace(FULL_FACTS, classes=(fracture, normal))
    assert site_prevalence(facts, make_ehr(hospital, prevalence=0.05), 0.2) is None


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (4.23, "such a picture is 4.2 times as frequent in people with Covid-19 as in people "
         "without."),
        (0.125, "such a picture is 8.0 times as frequent in people without Covid-19 as in people "
         "with it."),
        (26.3, "26 times as frequent in people with Covid-19"),
        (9.97, "10 times as frequent in people with Covid-19"),
        (1.02, "about as frequent in people with Covid-19 as in people without"),
        (0.97, "about as frequent in people with Covid-19 as in people without"),
        (250, "more than 100 times as frequent in people with Covid-19"),
        (0, "more than 100 times as frequent in people without Covid-19"),
    ],
)  # fmt: skip
def test_the_likelihood_ratio_is_put_into_words(ratio: float, words: str) -> None:
    said = ratio_note(ratio, "Covid-19")
    assert said is not None
    assert words in said


def test_without_a_likelihood_ratio_nothing_is_said_of_it() -> None:
    assert ratio_note(None, "Covid-19") is None


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.05, "5 in 100"),
        (0.4286, "43 in 100"),
        (0.025, "25 in 1000"),
        (0.995, "995 in 1000"),
        (0.0015, "15 in 10000"),
        (0.00004, "fewer than 1 in 1000"),
        (0.99999, "more than 999 in 1000"),
    ],
)
def test_a_share_is_said_as_people_count(share: float, words: str) -> None:
    assert share_in_words(share) == words


@settings(deadline=None)
@given(st.floats(0.001, 0.999))
def test_a_share_in_words_is_never_far_from_the_share(share: float) -> None:
    count, base = (int(part) for part in share_in_words(share).split(" in "))
    assert 0 < count < base
    assert abs(count / base - share) <= 0.05 * min(share, 1 - share)


def test_another_prevalence_is_another_reading_and_none_is_the_reading_of_before() -> None:
    before = reading_key("i", "p", "1.2", ["1.2.3"], IDENTITY)
    assert reading_key("i", "p", "1.2", ["1.2.3"], IDENTITY, None) == before
    shares = [Prevalence(share, "installation") for share in (0.05, 0.1)]
    keys = {reading_key("i", "p", "1.2", ["1.2.3"], IDENTITY, site) for site in shares}
    assert len({before, *keys}) == 3
    by_ehr = reading_key("i", "p", "1.2", ["1.2.3"], IDENTITY, Prevalence(0.05, "ehr", "North"))
    assert by_ehr in keys


@pytest.fixture
def with_prevalence(shop: Workshop) -> Workshop:
    model: Any = BrightnessModel(facts=WITH_PREVALENCE)
    return replace(shop, models={"chest_xray": model})


def at(shop: Workshop, share: float | None) -> Jobs:
    """The jobs of an installation with this prevalence."""
    settings_then = replace(shop.services.settings, prevalence=share)
    services = replace(shop.services, settings=settings_then)
    sent: list[tuple[str, float]] = []

    def resend(row_id: str, delay_s: float) -> None:
        sent.append((row_id, delay_s))

    return Jobs(JobRunner(replace(shop, services=services), Leases(30.0), resend, resend), sent)


def test_a_changed_setting_writes_a_new_report_and_leaves_the_old_one_as_it_was(
    with_prevalence: Workshop, launch: OpenLaunch, hospital: Hospital
) -> None:
    first = at(with_prevalence, 0.05)
    row = first.read(launch)
    (old,) = hospital.of_type("DiagnosticReport")
    assert "5 in 100 patients" in old["conclusion"]
    assert row.result is not None
    assert row.result["percent"] in old["conclusion"]

    again = first.read(launch)
    assert again.key == row.key
    assert hospital.of_type("DiagnosticReport") == [old]

    changed = at(with_prevalence, 0.2).read(launch)
    assert changed.key != row.key
    reports = {one["id"]: one for one in hospital.of_type("DiagnosticReport")}
    assert len(reports) == 2
    assert reports.pop(old["id"]) == old
    (new,) = reports.values()
    assert "20 in 100 patients" in new["conclusion"]
    assert new["extension"][0]["valueReference"]["reference"].endswith(old["id"])
    values = {one["valueQuantity"]["value"] for one in hospital.of_type("Observation")}
    assert len(values) == 2
    assert re.search(r"probability \d+ %", new["conclusion"])


@pytest.mark.parametrize("ehr_changes", [{"write": "transaction-put", "prevalence": 0.1}])
def test_a_reading_takes_the_prevalence_of_its_ehr(
    with_prevalence: Workshop, launch: OpenLaunch, hospital: Hospital
) -> None:
    row = at(with_prevalence, 0.3).read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    (observation,) = hospital.of_type("Observation")
    assert "10 in 100 patients have Covid-19 (as set for North Hospital)" in report["conclusion"]
    assert component(observation, "prevalence-presumed") == 0.1
    assert row.result is not None
    assert row.result["presumed"]["set_by"] == "ehr"
    assert observation["valueQuantity"]["value"] == row.result["probability"]
