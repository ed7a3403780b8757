"""Usable by everyone: keyboard alone, contrast, small frames, paper, no motion."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import answers, results
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import Scenario
from tests.browser.page_probes import focused, poor_contrasts, wait_for_image

pytestmark = pytest.mark.browser

UNREADABLE = answers.study(id="study-2", readable=False, why_not="No model reads CT of the head.")


def test_the_whole_reading_works_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_image(page)
    seen: list[str] = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or seen[-1] == "skip", seen[-1]
        if seen[-1] == "AI diagnosis":
            break
    assert {"skip", "close", "Window", "viewport"} <= set(seen)
    page.keyboard.press("Enter")
    page.wait_for_selector(".headline")
    assert focused(page) == results.result()["headline"]


def test_arrow_keys_go_from_tool_to_tool(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_image(page)
    page.locator("button[data-tool=window]").focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == "Move"
    page.keyboard.press("End")
    assert focused(page) == "Reset"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "Window"


def test_skip_goes_straight_to_the_panel(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_image(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "panel-heading"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_every_text_has_enough_contrast_and_nothing_overflows(
    open_page: OpenPage, scheme: str, width: int
) -> None:
    launch = answers.launch(
        need_patient_banner=True,
        writes=False,
        missing_scopes=[{"scope": "x", "sentence": "Missing."}],
    )
    page = open_page(
        Scenario(
            launch=launch, studies=[answers.study(reports=[answers.report_of_study()]), UNREADABLE]
        ),
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    )
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
    assert poor_contrasts(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_the_button_is_in_view_in_a_narrow_frame(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 400, "height": 720})
    wait_for_image(page)
    expect(page.get_by_role("button", name="AI diagnosis")).to_be_in_viewport(ratio=1)


def test_paper_shows_patient_result_and_notice_without_controls(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    page.emulate_media(media="print")
    for place in (".patient-name", ".result", ".notice", "#canvas"):
        expect(page.locator(place)).to_be_visible()
    for place in (".toolbar", "#close", ".studies"):
        expect(page.locator(place)).to_be_hidden()


def test_nothing_spins_where_motion_is_unwanted(open_page: OpenPage) -> None:
    page = open_page(Scenario(openings=[answers.opening("running")]), reduced_motion="reduce")
    expect(page.locator("#viewport-message")).to_contain_text("Fetching the images…")
    spinner = page.locator("#viewport-message .spinner")
    assert spinner.evaluate("node => getComputedStyle(node).animationName") == "none"
