"""Cards of CDS services in the hospital's chart, and the panel that their links open."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.server import RunningSandbox
from tests.browser.page_probes import poor_contrasts
from tests.sandbox.cds_service import CdsService, card, client_of, running_service
from tests.sandbox.conftest import open_hospital

pytestmark = pytest.mark.browser

SCOPES = "launch openid patient/Patient.r patient/ImagingStudy.rs"
STUDY = '{"study": "clark-dan-chest-xray", "uid": "1.2.3"}'
OpenChart = Callable[..., Page]


@pytest.fixture
def cds() -> Iterator[CdsService]:
    with running_service() as running:
        link = {"label": "Open the chest X-ray", "type": "smart", "url": running.launch_url}
        running.cards = [card(links=[{**link, "appContext": STUDY}])]
        yield running


@pytest.fixture
def hospital(cds: CdsService, tmp_path: Path) -> Iterator[RunningSandbox]:
    with open_hospital(tmp_path, clients=(client_of(cds, SCOPES),), cds_budget_s=1.5) as running:
        yield running


@pytest.fixture
def open_chart(browser: Browser, hospital: RunningSandbox) -> Iterator[OpenChart]:
    """Open a page of a chart; keyword arguments go to the browser context."""
    contexts = []
    errors: list[str] = []

    def opened(path: str = "/patients/clark-dan", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(f"{hospital.base_url}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def test_card_shows_what_the_service_said(open_chart: OpenChart, cds: CdsService) -> None:
    cds.cards[0] |= {"indicator": "warning", "detail": "**Chest X-ray**: no report"}
    page = open_chart()
    shown = page.get_by_role("article", name="One study is unread")
    expect(shown).to_contain_text("Please note")
    expect(shown).to_contain_text("Suggested by Chest")
    expect(shown.locator("strong")).to_have_text("Chest X-ray")


@pytest.mark.parametrize("path", ["/patients/clark-dan", "/patients/clark-dan/imaging"])
def test_smart_link_opens_the_client_with_launch_and_app_context(
    open_chart: OpenChart, hospital: RunningSandbox, cds: CdsService, path: str
) -> None:
    page = open_chart(path)
    expect(page.locator("#card-panel")).to_be_hidden()
    assert len(page.frames) == 2  # An empty frame has asked nobody for anything.
    page.get_by_role("button", name="Open the chest X-ray").click()
    page.frame_locator("#card-panel iframe").locator("#here").wait_for()
    address = next(frame.url for frame in page.frames if frame.url.startswith(cds.launch_url))
    query = parse_qs(urlsplit(address).query)
    assert query.keys() == {"iss", "launch"}
    house = hospital.app.extensions["sandbox"]
    launch = house.launches.consume(query["launch"][0], "chest-app")
    assert (launch.patient, launch.study) == ("clark-dan", None)
    assert launch.app_context == STUDY
    page.get_by_role("button", name="Close panel").click()
    expect(page.locator("#card-panel")).to_be_hidden()
    assert not any(frame.url.startswith(cds.launch_url) for frame in page.frames)


def test_slow_service_delays_nothing_and_shows_nothing(
    open_chart: OpenChart, cds: CdsService
) -> None:
    cds.delay_s = 4
    began = time.monotonic()
    page = open_chart()
    expect(page.get_by_role("heading", name="CLARK, Dan")).to_be_visible()
    expect(page.get_by_role("heading", name="Latest imaging")).to_be_visible()
    assert time.monotonic() - began < 3.5
    with page.expect_response(re.compile(r"/cards$")) as answer:
        page.reload()
    answer.value.finished()
    assert cds.asked
    expect(page.locator("#cards")).to_be_hidden()


def test_chart_without_a_service_to_reach_is_whole(open_chart: OpenChart, cds: CdsService) -> None:
    cds.services = "broken"
    page = open_chart()
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("heading", name="Latest imaging")).to_be_visible()
    expect(page.locator("#cards")).to_be_hidden()


def test_texts_of_a_card_stay_texts(open_chart: OpenChart, cds: CdsService) -> None:
    hostile = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    cds.cards = [card(summary=hostile, detail=hostile, source={"label": hostile})]
    page = open_chart()
    expect(page.locator(".cds-card h3")).to_have_text(hostile)
    assert page.locator(".cds-card img, .cds-card script").count() == 0
    assert "CLARK" in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_cards_are_readable_everywhere(
    open_chart: OpenChart, cds: CdsService, scheme: str, width: int
) -> None:
    detail = "- **One**: a line\n- **Two**: " + "a longer line " * 12
    link = {"label": "Open the chest X-ray of 9 Mar 2026", "type": "smart", "url": cds.launch_url}
    about = {"label": "About this service", "type": "absolute", "url": "https://a.example/"}
    cds.cards = [
        card(indicator=kind, summary="Chest X-ray " * 11, detail=detail, links=[link, about])
        for kind in ("info", "warning", "critical")
    ]
    page = open_chart(color_scheme=scheme, viewport={"width": width, "height": 860})
    page.wait_for_selector(".cds-card")
    assert poor_contrasts(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Open the chest X-ray").first.click()
    page.frame_locator("#card-panel iframe").locator("#here").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
