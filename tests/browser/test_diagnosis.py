"""AI diagnosis: click, steps, result, report, and what may go wrong."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import answers, results
from tests.browser.clicks import diagnose, read
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario

pytestmark = pytest.mark.browser

PACS_SILENT = answers.problem(
    "pacs_silent",
    "The image archive did not answer",
    "Two images of this study could not be fetched.",
    "Try again in a minute.",
)


def test_one_click_asks_once_and_follows_until_the_result(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    read(open_page)
    scenario = fake.scenarios["sandbox"]
    assert [body for name, body in scenario.posted if name == "reading"] == [{"study": "study-1"}]
    assert scenario.asked["reading"] == 4


def test_the_steps_show_how_far_it_is_and_are_told_to_screen_readers(open_page: OpenPage) -> None:
    page = diagnose(open_page(Scenario(readings=[answers.reading("running")])))
    running = page.locator(".steps [data-state=running]")
    expect(running).to_contain_text("Checking whose images they are")
    expect(page.locator(".steps [data-state=done]")).to_have_count(2)
    expect(page.locator("#announcer")).to_have_text("Step 3 of 5: Checking whose images they are")
    expect(page.locator("#announcer")).to_have_attribute("aria-live", "polite")


@pytest.mark.parametrize(
    ("tries", "words"), [(0, "Waiting for a free worker"), (2, "It broke off; trying again")]
)
def test_a_reading_that_waits_says_what_for(open_page: OpenPage, tries: int, words: str) -> None:
    page = diagnose(open_page(Scenario(readings=[answers.reading("queued", tries=tries)])))
    expect(page.locator("#panel-body")).to_contain_text(words)


def test_the_result_says_words_first_then_the_number_and_every_class(open_page: OpenPage) -> None:
    page = read(open_page)
    card = page.locator(".result")
    parts = card.locator("> *").evaluate_all("nodes => nodes.map(node => node.className)")
    assert parts[:4] == ["headline", "score", "meaning", "caution"]
    expect(card.locator(".score-number")).to_have_text("13 %")
    expect(card.locator(".classes li")).to_have_text(
        [
            re.compile("Covid-19.*13 %"),
            re.compile("Normal.*65 %"),
            re.compile("Other pneumonia.*23 %"),
        ]
    )
    widths = card.locator(".bar-fill").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert widths == ["12.6%", "64.8%", "22.6%"]
    expect(card.locator(".caution")).to_have_text(
        "Looked only for Covid-19; a low score does not exclude it."
    )
    expect(card).to_contain_text("The image does not state the patient's age.")
    expect(page.locator("#announcer")).to_have_text(results.result()["headline"])


def test_the_result_comes_into_view_in_a_narrow_frame(open_page: OpenPage) -> None:
    page = read(open_page, viewport={"width": 400, "height": 720})
    expect(page.locator("#heat-bar")).to_be_attached()
    expect(page.locator(".headline")).to_be_in_viewport(ratio=1)
    expect(page.locator(".score-number")).to_be_in_viewport(ratio=1)
    top = page.locator(".headline").bounding_box()["y"]
    banner = page.locator("#banner").bounding_box()
    assert top > banner["y"] + banner["height"]


def test_a_sentence_is_never_said_twice(open_page: OpenPage) -> None:
    card = read(open_page).locator(".result")
    card.evaluate("node => node.querySelectorAll('details').forEach(each => each.open = true)")
    text = card.inner_text()
    for sentence in results.result()["sentences"]:
        assert text.count(sentence) == 1, sentence


def test_every_number_is_the_servers_text_and_never_rounded_again(open_page: OpenPage) -> None:
    classes = [{"code": "c", "label": "Covid-19", "probability": 0.992, "target": True}]
    classes = [one | {"percent": "above 99 %"} for one in classes]
    result = results.result(probability=0.992, percent="above 99 %", classes=classes)
    page = read(open_page, Scenario(readings=[answers.reading(result=result)]))
    expect(page.locator(".score-number")).to_have_text("above 99 %")
    expect(page.locator(".bar-value")).to_have_text("above 99 %")


def test_the_caution_stands_even_when_the_server_forgets_it(open_page: OpenPage) -> None:
    done = answers.reading(result=results.result(sentences=[]))
    page = read(open_page, Scenario(readings=[done]))
    expect(page.locator(".caution")).to_contain_text("a low score does not exclude it")


def test_model_version_limits_and_card_are_named(open_page: OpenPage) -> None:
    model = read(open_page).locator(".model")
    expect(model).to_contain_text("Chest X-ray, Covid-19, version 0.1.0")
    expect(model.locator(".limits li")).to_have_count(2)
    expect(model.get_by_role("link", name="Model card")).to_have_attribute(
        "href", "https://models.example/chest-xray"
    )


def test_a_model_card_of_ours_is_a_link_without_https_too(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    card = f"{fake.base_url}/models/chest_xray"
    model = results.result()["model"] | {"card": card}
    page = read(open_page, Scenario(readings=[answers.reading(result=results.result(model=model))]))
    expect(page.locator(".model a")).to_have_attribute("href", card)


@pytest.mark.parametrize("card", ["javascript:alert(1)", "http://elsewhere.example/card", "card"])
def test_a_model_card_elsewhere_is_no_link(open_page: OpenPage, card: str) -> None:
    model = results.result()["model"] | {"card": card}
    done = answers.reading(result=results.result(model=model))
    page = read(open_page, Scenario(readings=[done]))
    expect(page.locator(".model a")).to_have_count(0)


def test_cannot_read_gives_reasons_and_no_number(open_page: OpenPage) -> None:
    page = read(open_page, Scenario(readings=[answers.reading(result=results.cannot_read())]))
    card = page.locator(".result")
    expect(card).to_have_attribute("data-status", "cannot_read")
    expect(card.locator(".reasons")).to_contain_text("lateral view")
    expect(card.locator(".score, .classes")).to_have_count(0)
    assert "%" not in card.inner_text()
    expect(page.locator("#heat-bar")).to_be_hidden()


def test_the_report_is_named_and_its_pdf_opens_from_memory(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = read(open_page)
    report = page.locator(".report")
    expect(report).to_contain_text("preliminary")
    expect(report).to_contain_text("DiagnosticReport/w-7f31")
    page.evaluate("() => { window.open = (url) => { window.opened = url; return window; }; }")
    report.get_by_role("button", name="Open report (PDF)").click()
    page.wait_for_function("() => window.opened")
    assert page.evaluate("() => window.opened").startswith(f"blob:{fake.base_url}/")
    assert fake.scenarios["sandbox"].asked["pdf"] == 1


def test_the_pdf_is_saved_where_the_frame_may_open_no_window(open_page: OpenPage) -> None:
    page = read(open_page)
    page.evaluate("() => { window.open = () => null; }")
    with page.expect_download() as download:
        page.get_by_role("button", name="Open report (PDF)").click()
    assert download.value.suggested_filename == "wetread-report.pdf"


def test_a_result_that_is_not_saved_never_says_so(open_page: OpenPage) -> None:
    unsaved = answers.report(
        saved=False,
        reference=None,
        status=None,
        sentence="This chart takes no reports from Wetread.",
    )
    page = read(open_page, Scenario(readings=[answers.reading(report=unsaved)]))
    expect(page.locator(".report h3")).to_have_text("Not saved in the chart")
    assert "Report in the chart" not in page.locator("body").inner_text()


def test_a_result_whose_report_is_in_doubt_claims_neither(open_page: OpenPage) -> None:
    unknown = answers.report(
        saved=False,
        unknown=True,
        reference=None,
        status=None,
        status_now=None,
        sentence="Look at the chart.",
    )
    page = read(open_page, Scenario(readings=[answers.reading(report=unknown)]))
    expect(page.locator(".report h3")).to_have_text("Not known whether the report is in the chart")
    text = page.locator("body").inner_text()
    assert "Not saved" not in text
    assert "Report in the chart" not in text


def test_waiting_for_a_new_launch_keeps_the_result_and_says_what_to_do(open_page: OpenPage) -> None:
    waiting = answers.reading("awaiting_launch", result=results.result(), report=None)
    page = read(open_page, Scenario(readings=[waiting]))
    expect(page.locator(".score-number")).to_have_text("13 %")
    problem = page.locator(".panel .problem")
    expect(problem).to_contain_text("The report is not in the chart yet")
    expect(problem).to_contain_text("Open Wetread again from this patient's chart")
    expect(problem.get_by_role("button")).to_have_count(0)


def test_a_failed_reading_says_why_where_and_what_next_and_can_be_repeated(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    failed = answers.reading("failed", problem=PACS_SILENT["problem"])
    page = diagnose(open_page(Scenario(readings=[failed, answers.reading()])))
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The image archive did not answer")
    expect(problem).to_contain_text("Try again in a minute.")
    expect(page.locator(".steps [data-state=failed]")).to_contain_text("Fetching the images")
    problem.get_by_role("button", name="Try again").click()
    expect(page.locator(".headline")).to_be_visible()
    assert [name for name, _ in fake.scenarios["sandbox"].posted].count("reading") == 2


def test_a_refused_click_shows_the_problem(open_page: OpenPage) -> None:
    page = diagnose(open_page(Scenario(start_reading=(403, PACS_SILENT))))
    expect(page.get_by_role("alert")).to_contain_text("The image archive did not answer")


def test_a_short_outage_while_polling_is_bridged(open_page: OpenPage) -> None:
    page = read(
        open_page, Scenario(readings=[answers.reading("running"), 502, 502, answers.reading()])
    )
    expect(page.locator(".score-number")).to_have_text("13 %")


def test_html_from_a_proxy_in_between_is_never_shown(open_page: OpenPage) -> None:
    page = diagnose(open_page(Scenario(readings=[404])))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Wetread gave an unreadable answer")
    assert "Bad gateway" not in page.locator("body").inner_text()
