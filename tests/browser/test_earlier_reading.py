"""A reading of an earlier launch: with its time, beside its images, as the chart stands now."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import answers, results
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import wait_for_image

pytestmark = pytest.mark.browser

EARLIER = {"id": "g1", "state": "done", "read_at": results.READ_AT}
WRITTEN = answers.report_of_study(
    reference="DiagnosticReport/w-7f31", status="preliminary", ours=True
)
FOREIGN = answers.problem(
    "identity_mismatch",
    "These images may belong to another patient",
    "The patient number of an image is not the chart's.",
    "Tell the radiology department.",
)["problem"]


def earlier(**changes: Any) -> Scenario:
    study = answers.study(reading=EARLIER, reports=[WRITTEN])
    return Scenario(**{"studies": [study], "readings": [answers.reading()]} | changes)


def test_it_is_shown_again_with_its_time_and_without_a_new_one(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = open_page(earlier(), timezone_id="UTC")
    expect(page.locator(".score-number")).to_have_text("13 %")
    expect(page.locator(".earlier")).to_have_text("Earlier reading, made on 20 Nov 2026, 14:05")
    expect(page.locator(".study .chip")).to_have_text("AI reading done · 20 Nov 2026, 14:05")
    expect(page.locator("#heat-bar")).to_be_visible()
    assert [name for name, _ in fake.scenarios["sandbox"].posted] == ["opening"]


def test_a_reading_asked_for_here_is_not_called_an_earlier_one(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name="AI diagnosis").click()
    expect(page.locator(".score-number")).to_have_text("13 %")
    expect(page.locator(".earlier")).to_have_count(0)


def test_no_number_is_shown_before_the_images_are(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page(earlier(openings=[answers.opening("running")]))
    expect(page.locator("#panel-body")).to_contain_text("Waiting for the images")
    expect(page.locator(".result")).to_have_count(0)
    fake.scenarios["sandbox"].openings = [answers.opening()]
    expect(page.locator(".score-number")).to_have_text("13 %")


def test_no_number_stands_beside_images_that_may_be_of_another_patient(
    open_page: OpenPage,
) -> None:
    page = open_page(earlier(openings=[answers.opening("failed", problem=FOREIGN)]))
    expect(page.locator(".panel .problem")).to_contain_text("may belong to another patient")
    expect(page.locator("#viewport-message")).to_contain_text("may belong to another patient")
    expect(page.locator(".result, .report")).to_have_count(0)
    assert "13 %" not in page.locator("body").inner_text()


def test_foreign_images_cannot_be_read_either(open_page: OpenPage) -> None:
    page = open_page(Scenario(openings=[answers.opening("failed", problem=FOREIGN)]))
    expect(page.locator(".panel .problem")).to_contain_text("may belong to another patient")
    expect(page.get_by_role("button", name="AI diagnosis")).to_have_count(0)


def test_without_its_images_the_number_is_kept_back_until_they_open(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    silent = answers.problem("archive_unavailable", "The archive is silent", "No answer.", "Wait.")
    failed = answers.opening("failed", problem=silent["problem"])
    page = open_page(earlier(openings=[failed]))
    expect(page.locator(".panel .problem")).to_contain_text("The earlier reading is not shown")
    fake.scenarios["sandbox"].openings = [answers.opening()]
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".score-number")).to_have_text("13 %")


def test_a_report_that_stands_as_it_was_written_is_named(open_page: OpenPage) -> None:
    page = open_page(earlier())
    expect(page.locator(".report h3")).to_have_text("Report in the chart")


@pytest.mark.parametrize(
    ("status", "heading"),
    [
        ("entered-in-error", "The report has changed since"),
        ("final", "The report has changed since"),
        (None, "The report could not be confirmed"),
    ],
)
def test_a_report_changed_since_is_said_before_the_number(
    open_page: OpenPage, status: str | None, heading: str
) -> None:
    report = answers.report(status_now=status, sentence="When this was read, there was one; now: ?")
    page = open_page(earlier(readings=[answers.reading(report=report)]))
    expect(page.locator(".report h3")).to_have_text(heading)
    expect(page.locator(".report")).to_contain_text("When this was read, there was one; now: ?")
    expect(page.locator(".report button")).to_have_count(0)
    assert "Report in the chart" not in page.locator(".panel").inner_text()
    tops = [page.locator(one).bounding_box()["y"] for one in (".report", ".result")]
    assert tops == sorted(tops)


def test_that_reports_could_not_be_listed_is_said(open_page: OpenPage) -> None:
    page = open_page(earlier(reports_problem="The chart's reports could not be listed just now."))
    expect(page.locator("#studies")).to_contain_text("could not be listed just now")
    expect(page.locator(".score-number")).to_have_text("13 %")


def test_the_new_report_appears_in_the_study_list(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page()
    wait_for_image(page)
    written = answers.report_of_study(status="preliminary", ours=True, conclusion="AI reading")
    fake.scenarios["sandbox"].studies = [answers.study(reports=[written])]
    page.get_by_role("button", name="AI diagnosis").click()
    expect(page.locator(".reports")).to_contain_text("preliminary · Wetread")
