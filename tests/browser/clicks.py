"""What a user does on the reading page, in few words."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import Scenario


def diagnose(page: Page) -> Page:
    """Click AI diagnosis."""
    page.get_by_role("button", name="AI diagnosis").click()
    return page


def read(open_page: OpenPage, scenario: Scenario | None = None, **options: object) -> Page:
    """Open the page, click, and wait for the result."""
    page = diagnose(open_page(scenario, **options))
    page.wait_for_selector(".headline")
    return page
