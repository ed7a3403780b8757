"""Which study a launch asks for; whoever made a link wrote its appContext."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.launching.stored_context import dump_context, load_context
from plugin.launching.wanted_study import DIFFERENT, ELSEWHERE, SEVERAL, WantedStudy, wanted_study
from smart_launch.context import read_context

BASE = "https://ehr.example/fhir"


def wanted(*references: Any, link: Any = None) -> WantedStudy:
    items = [one if isinstance(one, dict) else {"reference": one} for one in references]
    parameters = {"fhirContext": items}
    if link is not None:
        parameters["appContext"] = link if isinstance(link, str) else json.dumps(link)
    return wanted_study(read_context(parameters, BASE))


def test_nothing_asked_for_is_nothing_wanted() -> None:
    assert wanted() == WantedStudy()
    assert wanted("Observation/o-1") == WantedStudy()


def test_one_study_of_the_chart_is_wanted() -> None:
    assert wanted("ImagingStudy/s-1", "Encounter/e-1") == WantedStudy("s-1")
    assert wanted(f"{BASE}/ImagingStudy/s-1") == WantedStudy("s-1")
    assert wanted("ImagingStudy/s-1", "ImagingStudy/s-1") == WantedStudy("s-1")


def test_an_entry_with_another_role_is_not_what_the_launch_is_about() -> None:
    prior = {"reference": "ImagingStudy/s-0", "role": "https://ehr.example/prior"}
    assert wanted(prior) == WantedStudy()
    assert wanted(prior, "ImagingStudy/s-1") == WantedStudy("s-1")


def test_several_studies_are_not_guessed_between() -> None:
    assert wanted("ImagingStudy/s-1", "ImagingStudy/s-2") == WantedStudy(unclear=SEVERAL)


def test_a_study_of_another_server_is_refused_in_words() -> None:
    assert wanted("https://other.example/fhir/ImagingStudy/s-1") == WantedStudy(unclear=ELSEWHERE)


@pytest.mark.parametrize("link", [{"study": "s-1"}, {"study": "s-1", "uid": "1.2.3"}])
def test_the_link_of_a_card_says_which_study(link: dict[str, str]) -> None:
    assert wanted(link=link) == WantedStudy("s-1", link.get("uid"))
    assert wanted("ImagingStudy/s-1", link=link) == WantedStudy("s-1", link.get("uid"))
    both = wanted("ImagingStudy/s-2", "ImagingStudy/s-1", link=link)
    assert both == WantedStudy("s-1", link.get("uid"))


def test_chart_and_link_that_disagree_open_nothing() -> None:
    assert wanted("ImagingStudy/s-2", link={"study": "s-1"}) == WantedStudy(unclear=DIFFERENT)
    several = wanted("ImagingStudy/s-2", "ImagingStudy/s-3", link={"study": "s-1"})
    assert several == WantedStudy(unclear=SEVERAL)


@pytest.mark.parametrize(
    "link",
    [
        "s-1",
        "[]",
        "null",
        "{",
        "[" * 4000,
        {"study": "../Patient/1"},
        {"study": 7},
        {"study": ""},
        {"study": "s" * 65},
        {"study": "s-1\n"},
        {"study": "s-1", "uid": "1.2.3<script>"},
        {"study": "s-1", "uid": ["1.2.3"]},
        {"uid": "1.2.3"},
    ],
)
def test_a_link_that_cannot_be_read_asks_for_nothing(link: Any) -> None:
    assert wanted(link=link) == WantedStudy()
    assert wanted("ImagingStudy/s-2", link=link) == WantedStudy("s-2")


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_text_of_a_link_is_survived(link: str) -> None:
    found = wanted(link=link)
    assert found == WantedStudy() or found.id in link


def test_a_launch_that_was_stored_before_app_context_was_known_still_opens() -> None:
    context = read_context(
        {"patient": "p-1", "fhirContext": [{"reference": "ImagingStudy/s"}]}, BASE
    )
    older = {name: value for name, value in dump_context(context).items() if name != "app_context"}
    assert load_context(older) == context
    linked = read_context({"patient": "p-1", "appContext": '{"study": "s-1"}'}, BASE)
    assert load_context(json.loads(json.dumps(dump_context(linked)))) == linked
