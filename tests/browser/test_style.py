"""The hospital's style on the reading page: put on, and never at the cost of reading it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import answers
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import Scenario
from tests.browser.page_probes import poor_contrasts, wait_for_image

pytestmark = [pytest.mark.browser]

# The example of SMART App Launch, as the server reads it.
EXAMPLE = {
    "color_background": "#edeae3",
    "color_error": "#9e2d2d",
    "color_highlight": "#69b5ce",
    "color_success": "#498e49",
    "color_text": "#303030",
    "dim_border_radius": 3.0,
    "dim_font_size": 14.0,
    "dim_spacing_size": 12.0,
    "font_family_body": ["Georgia", "serif"],
    "font_family_heading": ["No Such Font", "monospace"],
}
COMPUTED = """
([selector, name]) => getComputedStyle(document.querySelector(selector)).getPropertyValue(name)
"""


def styled(open_page: OpenPage, style: Any, **options: Any) -> Page:
    """The page with a result, in a hospital's style."""
    launch = answers.launch(style="/api/launch/style", writes=False)
    studies = [answers.study(reports=[answers.report_of_study()])]
    page = open_page(Scenario(launch=launch, studies=studies, style=style), **options)
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
    return page


def computed(page: Page, selector: str, name: str) -> str:
    found: str = page.evaluate(COMPUTED, [selector, name])
    return found


def test_the_hospitals_colours_lengths_and_fonts_are_put_on(open_page: OpenPage) -> None:
    page = styled(open_page, EXAMPLE)
    expect(page.locator("body")).to_have_css("background-color", "rgb(237, 234, 227)")
    expect(page.locator("body")).to_have_css("color", "rgb(48, 48, 48)")
    assert float(computed(page, "body", "font-size").removesuffix("px")) == pytest.approx(14, 0.01)
    assert computed(page, "body", "font-family").startswith("Georgia, serif, system-ui")
    assert computed(page, ".headline", "font-family").startswith('"No Such Font", monospace')
    assert computed(page, ".card", "border-radius") == "3px"
    assert computed(page, ".card", "padding-left") == "12px"


def test_a_highlight_that_is_too_pale_for_text_is_mended(open_page: OpenPage) -> None:
    page = styled(open_page, EXAMPLE)
    accent = page.evaluate("() => getComputedStyle(document.body).getPropertyValue('--accent')")
    assert accent != EXAMPLE["color_highlight"]
    red, green, blue = (int(accent[at : at + 2], 16) for at in (1, 3, 5))
    assert blue > red  # still the hospital's blue
    assert blue >= green
    assert poor_contrasts(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dark_background_makes_the_whole_page_dark(open_page: OpenPage, scheme: Any) -> None:
    page = styled(open_page, {"color_background": "#101418"}, color_scheme=scheme)
    expect(page.locator("body")).to_have_css("background-color", "rgb(16, 20, 24)")
    expect(page.locator("body")).to_have_css("color", "rgb(231, 237, 242)")
    assert page.locator('meta[name="color-scheme"]').get_attribute("content") == "dark"
    assert poor_contrasts(page) == []


def test_a_user_who_has_chosen_dark_keeps_it_with_the_hospitals_other_wishes(
    open_page: OpenPage,
) -> None:
    page = styled(open_page, EXAMPLE, color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 21, 27)")
    expect(page.locator("body")).to_have_css("color", "rgb(231, 237, 242)")
    assert computed(page, ".card", "border-radius") == "3px"
    assert poor_contrasts(page) == []


@pytest.mark.parametrize(
    "style",
    [
        {"color_text": "#eeeeee"},
        {"color_background": "#777777"},
        {"color_background": "#69b5ce", "color_text": "#ffffff"},
    ],
    ids=["pale-text", "middle-grey", "middle-blue"],
)
def test_what_could_not_be_read_is_left_as_it_was(open_page: OpenPage, style: Any) -> None:
    page = styled(open_page, style)
    expect(page.locator("body")).to_have_css("background-color", "rgb(238, 242, 245)")
    expect(page.locator("body")).to_have_css("color", "rgb(23, 33, 43)")
    assert page.locator('meta[name="color-scheme"]').get_attribute("content") == "light dark"


def test_no_hospitals_colours_make_a_text_unreadable(open_page: OpenPage) -> None:
    """Many styles at once on one page: corners of the colour cube, greys, and chance."""
    page = styled(open_page, {"dim_border_radius": 4.0})
    corners = [f"#{r}{g}{b}" for r, g, b in itertools.product(("00", "80", "ff"), repeat=3)]
    chance = random.Random(4)
    names = [name for name in EXAMPLE if name.startswith("color_")]
    styles = [dict.fromkeys(names, colour) for colour in corners]
    styles += [{name: chance.choice(corners) for name in names} for _ in range(40)]
    styles += [{name: f"#{chance.randrange(1 << 24):06x}" for name in names} for _ in range(40)]
    for style in styles:
        page.evaluate(
            """async (style) => {
                document.adoptedStyleSheets = [];
                const { putOnStyle } = await import("/static/style.js");
                putOnStyle(style);
            }""",
            style,
        )
        assert poor_contrasts(page) == [], style


def test_the_style_follows_when_the_user_changes_between_light_and_dark(
    open_page: OpenPage,
) -> None:
    page = styled(open_page, {"color_highlight": "#7a1fa2"}, color_scheme="light")
    light = page.evaluate("() => getComputedStyle(document.body).getPropertyValue('--accent')")
    assert light == "#7a1fa2"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => getComputedStyle(document.body).getPropertyValue('--accent') !== '#7a1fa2'"
    )
    assert poor_contrasts(page) == []


def test_a_user_with_a_larger_text_keeps_it(open_page: OpenPage) -> None:
    page = styled(open_page, EXAMPLE)
    page.evaluate(
        """async () => {
            document.adoptedStyleSheets = [];
            const larger = new CSSStyleSheet();
            larger.replaceSync("html { font-size: 125%; }");
            document.adoptedStyleSheets = [larger];
            const { putOnStyle } = await import("/static/style.js");
            putOnStyle({ dim_font_size: 12 });
        }"""
    )
    assert computed(page, "html", "font-size") == "20px"


def test_paper_stays_black_on_white(open_page: OpenPage) -> None:
    page = styled(open_page, {"color_background": "#101418", "color_text": "#ffffcc"})
    page.emulate_media(media="print")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator("body")).to_have_css("color", "rgb(0, 0, 0)")
    assert poor_contrasts(page) == []


@pytest.mark.parametrize("width", [400, 1200])
def test_the_largest_lengths_overflow_nothing(open_page: OpenPage, width: int) -> None:
    style = {"dim_font_size": 20.0, "dim_spacing_size": 24.0, "dim_border_radius": 16.0}
    page = styled(open_page, style, viewport={"width": width, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("style", [502, {}], ids=["broken", "empty"])
def test_without_a_style_the_page_looks_as_it_does(open_page: OpenPage, style: Any) -> None:
    page = styled(open_page, style)
    expect(page.locator("body")).to_have_css("background-color", "rgb(238, 242, 245)")
