"""Chromium, the scripted plugin, and a page that fails its test when it logs an error."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.installed_chromium import installed_chromium

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The browser itself logs every answer of 400 and above; that is what those tests are about.
EXPECTED = re.compile(r"Failed to load resource: .*status of")
# For whole demos: real processes on a machine that does other things too.
PATIENCE_MS = 60_000

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def driver() -> Iterator[Playwright]:
    """Playwright itself; there can be only one at a time in a process."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(driver: Playwright) -> Iterator[Browser]:
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield chromium
    chromium.close()


@pytest.fixture
def fake() -> Iterator[FakePlugin]:
    with FakePlugin() as server:
        yield server


@pytest.fixture
def open_page(browser: Browser, fake: FakePlugin) -> Iterator[OpenPage]:
    """Open the page of a scenario; keyword arguments go to the browser context."""
    contexts = []
    errors: list[str] = []

    def logged(message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            errors.append(message.text)

    def opened(scenario: Scenario | None = None, name: str = "sandbox", **options: Any) -> Page:
        fake.scenarios[name] = scenario or Scenario()
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", logged)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(fake.address(name))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """Hospital and Wetread in processes of their own, on two sites."""
    choices = DemoChoices(free_port(HOSPITAL_HOST), free_port(PLUGIN_HOST))
    with running_demo(choices, tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def tab(driver: Playwright, tmp_path: Path) -> Iterator[Page]:
    """A tab of the installed Chromium, which blocks third-party cookies."""
    with installed_chromium(driver, CHROMIUM or "", ARGUMENTS, tmp_path / "profile") as chromium:
        page = chromium.contexts[0].pages[0]
        page.set_viewport_size({"width": 1500, "height": 950})
        page.set_default_timeout(PATIENCE_MS)
        yield page
