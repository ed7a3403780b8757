"""From the card in the hospital's chart to its study in Wetread, across two sites."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from plugin.demo.processes import RunningDemo
from tests.browser.conftest import PATIENCE_MS

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]

# Has three studies: without the link the page would ask which to open.
PATIENT, STUDY = "mayer-rosa", "mayer-rosa-chest-xray"


def chart_with_card(tab: Page, demo: RunningDemo) -> Locator:
    """Open the chart until its card is there: one that comes late is not shown, and a chart whose
    pictures are drawn for the first time is slow itself.
    """
    card = tab.locator(".cds-card")
    for _ in range(3):
        tab.goto(f"{demo.choices.hospital_url}/patients/{PATIENT}")
        try:
            card.wait_for(timeout=6000)
        except PlaywrightTimeout:
            continue
        break
    return card


def test_link_of_the_card_opens_its_study_among_several(tab: Page, demo: RunningDemo) -> None:
    card = chart_with_card(tab, demo)
    expect(card).to_contain_text("no report in the chart yet")
    card.get_by_role("button", name=re.compile("Open the chest X-ray of .* in Wetread")).click()
    wetread = tab.frame_locator("#card-panel iframe")
    expect(wetread.locator(f'[data-study="{STUDY}"]')).to_have_attribute("aria-pressed", "true")
    invert = wetread.locator("[data-action=invert]")
    expect(invert).to_have_attribute("aria-disabled", "false", timeout=PATIENCE_MS)
