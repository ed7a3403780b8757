"""A reading of an earlier launch: with its time, beside its images, as the chart stands now."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import answers
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import wait_for_image

pytestmark = pytest.mark.browser

EARLIER = {"id": "g1", "state": "done", "read_at": answers.READ_AT}
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


def with_report(**changes: Any) -> Scenario:
    reports = [WRITTEN | changes] if changes else []
    return earlier(studies=[answers.study(reading=EARLIER, reports=reports)])


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


@pytest.mark.parametrize("status", ["entered-in-error", "final"])
def test_a_report_changed_since_is_said_before_the_number(open_page: OpenPage, status: str) -> None:
    page = open_page(with_report(status=status))
    expect(page.locator(".report")).to_contain_text(
        "When this was read, the chart held a report of it (preliminary); "
        f"now its status in the chart is: {status}."
    )
    assert "Report in the chart" not in page.locator(".panel").inner_text()
    report, result = (page.locator(one).bounding_box() for one in (".report", ".result"))
    assert report["y"] < result["y"]


def test_a_report_that_the_chart_does_not_list_is_not_said_to_be_in_it(open_page: OpenPage) -> None:
    page = open_page(with_report())
    expect(page.locator(".report")).to_contain_text("now it is not among the reports")
    assert "Report in the chart" not in page.locator(".panel").inner_text()


def test_a_report_that_could_not_be_looked_up_is_not_said_to_be_in_the_chart(
    open_page: OpenPage,
) -> None:
    page = open_page(earlier(reports_problem="The chart's reports could not be listed just now."))
    expect(page.locator(".report")).to_contain_text("whether it is still there could not be")
    expect(page.locator("#studies")).to_contain_text("could not be listed just now")
    assert "Report in the chart" not in page.locator(".panel").inner_text()


def test_an_outcome_that_was_not_known_then_stays_unknown(open_page: OpenPage) -> None:
    unknown = answers.report(saved=False, unknown=True, reference=None, status=None, sentence="?")
    page = open_page(earlier(readings=[answers.reading(report=unknown)]))
    expect(page.locator(".report h3")).to_have_text("Not known whether the report is in the chart")
    expect(page.locator(".report")).to_contain_text("could not be found out whether")


def test_why_somebody_elses_report_was_not_saved_is_not_told(open_page: OpenPage) -> None:
    unsaved = answers.report(
        saved=False, reference=None, status=None, sentence="Your sign-in does not allow reports."
    )
    page = open_page(earlier(readings=[answers.reading(report=unsaved)]))
    expect(page.locator(".report")).to_contain_text("knows of no report")
    assert "Your sign-in" not in page.locator("body").inner_text()


def test_the_new_report_appears_in_the_study_list(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page()
    wait_for_image(page)
    written = answers.report_of_study(status="preliminary", ours=True, conclusion="AI reading")
    fake.scenarios["sandbox"].studies = [answers.study(reports=[written])]
    page.get_by_role("button", name="AI diagnosis").click()
    expect(page.locator(".reports")).to_contain_text("preliminary · Wetread")
