"""The model card in a browser: narrow, dark, by keyboard, on paper, under the page's own policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from plugin import create_app
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.settings import Settings
from tests.browser.fake_plugin import Quiet
from tests.browser.page_probes import poor_contrasts

pytestmark = pytest.mark.browser

CARD = "/models/chest_xray"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real application, without hospitals."""
    app = create_app(
        Settings(
            base_url="http://127.0.0.1:8081",
            data_dir=tmp_path_factory.mktemp("wetread"),
            secret_keys=SecretKeys.generate().dump(),
            ehrs=(),
        )
    )
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
    app.extensions[EXTENSION].database.close()


class Opener:
    """Opens pages, and keeps what the browser complains of."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address
        self.contexts: list[Any] = []
        self.complaints: list[str] = []

    def open(self, path: str, **options: Any) -> Page:
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        page: Page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(self.address + path)
        return page


@pytest.fixture
def opener(browser: Browser, address: str) -> Iterator[Opener]:
    made = Opener(browser, address)
    yield made
    for context in made.contexts:
        context.close()
    assert made.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("path", [CARD, f"{CARD}/licence", "/models"])
def test_only_tables_scroll_sideways_and_every_text_can_be_read(
    opener: Opener, path: str, width: int, scheme: str
) -> None:
    page = opener.open(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert poor_contrasts(page) == []


def test_a_wide_table_is_scrolled_by_keyboard_in_a_box_of_its_own(opener: Opener) -> None:
    page = opener.open(CARD, viewport={"width": 400, "height": 800})
    boxes = page.locator(".table-box")
    wide = [box for box in boxes.all() if box.evaluate("b => b.scrollWidth > b.clientWidth")]
    assert wide
    wide[0].focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("b => b.scrollLeft > 0", arg=wide[0].element_handle())
    assert wide[0].get_attribute("aria-label")


def test_contents_lead_to_their_headings(opener: Opener) -> None:
    page = opener.open(CARD, viewport={"width": 1200, "height": 600})
    link = page.locator(".contents a").last
    link.focus()
    page.keyboard.press("Enter")
    heading = page.locator(str(link.get_attribute("href")))
    page.wait_for_function("h => h.getBoundingClientRect().top < 600", arg=heading.element_handle())


def test_every_plot_is_drawn(opener: Opener) -> None:
    page = opener.open(CARD)
    drawn = page.locator("img.plot").evaluate_all(
        "all => all.map(i => i.complete && i.naturalWidth)"
    )
    folder = Path(__file__).parents[2] / "inference" / "models" / "chest_xray" / "plots"
    assert len(drawn) == len(list(folder.glob("*.svg")))
    assert all(drawn)


def test_paper_has_the_notice_and_no_navigation(opener: Opener) -> None:
    page = opener.open(CARD)
    page.emulate_media(media="print")
    assert page.locator(".notice").is_visible()
    assert page.locator(".contents").is_hidden()
    overflow = page.locator(".table-box").first.evaluate("b => getComputedStyle(b).overflowX")
    assert overflow == "visible"
