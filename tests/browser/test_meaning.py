"""What a number means: prevalence, thresholds, radiographic extent; and a child's other number."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from inference.prevalence import posterior
from plugin.reporting.answer import as_written
from plugin.reporting.percent import percent
from tests.browser import answers, results
from tests.browser.clicks import read
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import focused, poor_contrasts

pytestmark = pytest.mark.browser

NARROW_AND_DARK: dict[str, Any] = {
    "viewport": {"width": 400, "height": 720},
    "color_scheme": "dark",
}
SHARES = (0.001, 0.004, 0.03, 0.05, 0.125, 0.2, 0.43, 0.5, 0.75, 0.95, 0.99)


def page_of(open_page: OpenPage, result: dict[str, Any], **options: Any) -> Page:
    return read(open_page, Scenario(readings=[answers.reading(result=result)]), **options)


def at(share: float, probability: float) -> str:
    """What the server would say of the sample result at another prevalence."""
    return percent(as_written(posterior(probability, results.SITE.share, share)))


def test_the_probability_comes_with_its_prevalence_and_who_set_it(open_page: OpenPage) -> None:
    page = read(open_page)
    expect(page.locator(".score-words")).to_have_text(
        "probability of Covid-19 where 5 in 100 patients have it"
    )
    meaning = page.locator(".meaning")
    expect(meaning).to_contain_text("presumes that 5 in 100 patients have Covid-19")
    expect(meaning).to_contain_text("as set for Demo Hospital")
    expect(meaning).to_contain_text("2.7 times as frequent in people with Covid-19")
    expect(meaning).to_contain_text("anywhere from 7 % to 21 %")


def test_another_prevalence_is_tried_with_the_keyboard_and_changes_nothing_else(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = page_of(open_page, results.result(), **NARROW_AND_DARK)
    scenario = fake.scenarios["sandbox"]
    before = page.locator(".result > .score, .result > .headline").all_inner_texts()
    asked, posted = dict(scenario.asked), list(scenario.posted)

    page.locator(".trial summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == "tried-prevalence"
    tried = page.locator(".tried")
    expect(tried).to_have_text(
        "With 5 in 100: probability of Covid-19 13 % (anywhere from 7 % to 21 %)."
    )
    page.keyboard.press("ArrowUp")
    expect(tried).to_contain_text(f"With 6 in 100: probability of Covid-19 {at(0.06, 0.126)}")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("20")
    expect(tried).to_have_text(
        f"With 20 in 100: probability of Covid-19 {at(0.2, 0.126)} "
        f"(anywhere from {at(0.2, 0.07)} to {at(0.2, 0.21)})."
    )
    expect(page.locator(".trial")).to_contain_text("Tried on this page only.")
    expect(page.locator(".trial")).to_contain_text("the report stay as they are: 13 %")

    assert page.locator(".result > .score, .result > .headline").all_inner_texts() == before
    assert (dict(scenario.asked), scenario.posted) == (asked, posted)
    assert poor_contrasts(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("typed", ["", "0", "100", "-3", "0.05"])
def test_what_is_no_share_is_said_and_gives_no_number(open_page: OpenPage, typed: str) -> None:
    page = read(open_page)
    page.locator(".trial summary").click()
    field = page.get_by_label("How many in 100 such patients have Covid-19?")
    field.fill(typed)
    expect(page.locator(".tried")).to_have_text("Give a number from 0.1 to 99.")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("0.5")
    expect(page.locator(".tried")).to_contain_text(at(0.005, 0.126))
    expect(field).to_have_attribute("aria-invalid", "false")


def test_the_pages_step_gives_the_servers_numbers_and_texts(open_page: OpenPage) -> None:
    page = read(open_page, bypass_csp=True)
    probabilities = [n / 40 for n in range(40)] + [0.001, 0.9999]
    cases = [(p, share) for p in probabilities for share in SHARES]
    ratios = [(p / (1 - p) * (0.57 / 0.43), share) for p, share in cases]
    found = page.evaluate(
        """async (cases) => {
            const { percent, posterior } = await import("/static/odds.js");
            return cases.map(([ratio, share]) => {
                const p = posterior(ratio, share);
                return [p, percent(p)];
            });
        }""",
        ratios,
    )
    for (probability, share), (number, text) in zip(cases, found, strict=True):
        expected = as_written(posterior(probability, 0.43, share))
        # A last digit may fall either way, where the true value lies between two.
        assert number == pytest.approx(expected, abs=1.01e-4)
        assert text == percent(number)


def test_no_prevalence_is_tried_where_the_model_states_none(open_page: OpenPage) -> None:
    page = page_of(open_page, results.result(presumed=None, meaning=[]))
    expect(page.locator(".score-words")).to_have_text("probability of Covid-19 by this model")
    expect(page.locator(".trial")).to_have_count(0)


def test_thresholds_are_told_in_short_and_their_figures_behind_a_click(
    open_page: OpenPage,
) -> None:
    page = read(open_page)
    points = page.locator(".points")
    expect(points.locator(".gist")).to_have_text(
        "rule-out: above · balanced: below · rule-in: below"
    )
    expect(points.locator("table")).to_be_hidden()
    points.locator("summary").press("Enter")
    expect(points.locator("tbody tr")).to_have_text(
        [
            "Rule-outabove97 % (93 to 99)41 % (35 to 47)",
            "Balancedbelow87 % (81 to 92)79 % (74 to 83)",
            "Rule-inbelownot measured98 % (96 to 99)",
        ]
    )


@pytest.mark.parametrize(
    ("result", "caution"),
    [
        (results.shown(results.prediction(0.04, 0.02, 0.09)), "A low score does not exclude"),
        (results.positive(), "A high score does not confirm"),
    ],
    ids=["below", "above"],
)
def test_no_side_of_a_threshold_excludes_or_confirms(
    open_page: OpenPage, result: dict[str, Any], caution: str
) -> None:
    page = page_of(open_page, result)
    expect(page.locator(".points")).to_contain_text(f"{caution} Covid-19.")


def test_radiographic_extent_stands_with_its_errors_beside_a_positive_answer(
    open_page: OpenPage,
) -> None:
    page = page_of(open_page, results.positive())
    extent = page.get_by_role("region", name="Radiographic extent")
    expect(extent).to_contain_text("level 2 of 3 (moderate)")
    expect(extent.locator("li")).to_have_text(
        [
            "geographic extent 3.1 of 8 (typical error 1.2)",
            "opacity 2.4 of 6 (typical error 0.9)",
        ]
    )
    expect(extent).to_contain_text("not how ill the patient is")


def test_a_child_gets_no_number_for_covid_and_what_the_other_number_is_not_for(
    open_page: OpenPage,
) -> None:
    page = page_of(open_page, results.child())
    card = page.locator(".result")
    expect(card.locator(".score, .meaning, .trial, .points, .extent")).to_have_count(0)
    aside = page.get_by_role("region", name="Another question")
    expect(aside.locator("h4")).to_have_text("If this child has pneumonia")
    expect(aside.locator(".classes li")).to_have_text(["bacterial70 %", "viral30 %"])
    expect(aside.locator(".not-for")).to_contain_text("Not for withholding antibiotics")
    expect(card.locator(".caution")).to_have_text(
        "This says nothing about Covid-19, neither for nor against it."
    )
    text = card.inner_text()
    assert text.count("%") == 2
    assert text.count("neither for nor against") == 1


def test_a_result_of_former_times_is_still_shown(open_page: OpenPage) -> None:
    page = page_of(open_page, results.former())
    expect(page.locator(".score-number")).to_have_text("13 %")
    expect(page.locator(".result")).to_contain_text("anywhere from 7 % to 21 %")
    expect(page.locator(".meaning, .trial, .points, .extent, .aside")).to_have_count(0)
    expect(page.locator("#heat-hint")).to_have_text(
        "Coarse: shows which regions the model used, not where disease is."
    )


def test_the_share_of_the_map_outside_the_lungs_stands_beside_the_map(
    open_page: OpenPage,
) -> None:
    page = read(open_page)
    expect(page.locator("#heat-hint")).to_contain_text(
        "12 % of the map's weight lies outside the lungs."
    )


@pytest.mark.parametrize("result", [results.positive(), results.child()], ids=["read", "child"])
def test_detail_is_readable_in_a_narrow_dark_frame_and_what_was_tried_is_not_printed(
    open_page: OpenPage, result: dict[str, Any]
) -> None:
    page = page_of(open_page, result, **NARROW_AND_DARK)
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
    assert poor_contrasts(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    page.emulate_media(media="print")
    expect(page.locator(".result")).to_be_visible()
    for trial in page.locator(".trial").all():
        expect(trial).to_be_hidden()
