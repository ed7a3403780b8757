"""Launches that ask for a study: by the chart's fhirContext, or by the link of a card."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import answers
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import wait_for_image

pytestmark = [pytest.mark.browser]

STUDIES = [
    answers.study(id="s-1", uid="1.2.3", title="Chest, today"),
    answers.study(id="s-2", uid="1.2.4", title="Chest, last year"),
]


def openings(fake: FakePlugin) -> list[Any]:
    return [body["study"] for kind, body in fake.scenarios["sandbox"].posted if kind == "opening"]


@pytest.mark.parametrize("uid", [None, "1.2.4"])
def test_the_study_of_the_launch_is_opened(
    open_page: OpenPage, fake: FakePlugin, uid: str | None
) -> None:
    launch = answers.launch(study="s-2", study_uid=uid)
    page = open_page(Scenario(launch=launch, studies=STUDIES))
    wait_for_image(page)
    assert openings(fake) == ["s-2"]
    expect(page.locator('[data-study="s-2"]')).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        ({"study": "s-9"}, "not among this patient's studies"),
        ({"study": "s-2", "study_uid": "9.9.9"}, "not among this patient's studies"),
        ({"study_unclear": "The chart names several imaging studies."}, "names several"),
    ],
    ids=["unknown", "another-number", "unclear"],
)
@pytest.mark.parametrize("studies", [STUDIES, STUDIES[:1]], ids=["two", "one"])
def test_a_study_that_the_patient_does_not_have_opens_nothing_and_is_said(
    open_page: OpenPage, fake: FakePlugin, launch: Any, words: str, studies: Any
) -> None:
    page = open_page(Scenario(launch=answers.launch(**launch), studies=studies))
    expect(page.locator("#viewport-message")).to_contain_text(words)
    expect(page.locator("#panel-body")).to_contain_text("Choose a study first")
    assert openings(fake) == []
    page.locator('[data-study="s-1"]').click()
    wait_for_image(page)
    assert openings(fake) == ["s-1"]


def test_an_intent_that_nobody_knows_opens_the_default_page(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = open_page(Scenario(launch=answers.launch(intent="fly-to-the-moon"), studies=STUDIES[:1]))
    wait_for_image(page)
    assert openings(fake) == ["s-1"]
    expect(page.get_by_text("fly-to-the-moon")).to_have_count(0)


def test_without_the_charts_banner_the_patient_stands_beside_the_result(
    open_page: OpenPage,
) -> None:
    """need_patient_banner = false: one line less, but never a result without a name."""
    page = open_page(Scenario(launch=answers.launch(need_patient_banner=False)))
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    for text in ("CLARK, Dan", "1930", "H-1001"):
        expect(page.locator("#patient")).to_contain_text(text)
    expect(page.locator("#patient")).to_be_in_viewport()
