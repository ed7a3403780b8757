"""A standalone launch in a real browser: sign in, choose a patient, read; and a patient may not."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from plugin.demo.processes import RunningDemo
from tests.browser.test_whole_path import wait_for_image

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]


def sign_in(tab: Page, demo: RunningDemo, person: str) -> None:
    tab.goto(f"{demo.choices.plugin_url}/launch?ehr=sandbox")
    tab.get_by_label(person).check()
    tab.get_by_role("button", name="Sign in").click()


def test_a_clinician_signs_in_chooses_a_patient_and_sees_the_image(
    tab: Page, demo: RunningDemo
) -> None:
    sign_in(tab, demo, "Irena NOVAK")
    tab.get_by_label("CLARK").check()
    tab.get_by_role("button", name="Allow", exact=True).click()
    expect(tab.get_by_text("CLARK, Dan").first).to_be_visible()
    wait_for_image(tab)
    assert tab.context.cookies(demo.choices.plugin_url) == []


def test_a_patient_who_signs_in_is_refused_with_a_reason(tab: Page, demo: RunningDemo) -> None:
    sign_in(tab, demo, "Dan CLARK")
    tab.get_by_role("button", name="Allow", exact=True).click()
    expect(tab.get_by_role("heading", name="Wetread is for clinicians")).to_be_visible()
    expect(tab.get_by_role("button", name="AI diagnosis")).to_be_hidden()
