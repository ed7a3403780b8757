"""The whole way across two sites: the hospital's viewer on localhost, Wetread on 127.0.0.1.

Real servers, a real worker, and an installed Chromium that blocks third-party cookies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Frame, FrameLocator, Page, Request, expect

from plugin.demo.files import DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo
from tests.browser.conftest import PATIENCE_MS

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]

HEADLINE = re.compile(r"probability (?:below |above )?\d+ %")
CANVAS_RED = """
canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let red = 0;
    for (let i = 0; i < data.length; i += 4) red += data[i] > data[i + 2] + 8;
    return red;
}
"""
CANVAS_GREY = """
canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value) => sum + value, 0) / data.length;
}
"""


@pytest.fixture
def demo_that_refuses_frames(tmp_path: Path) -> Iterator[RunningDemo]:
    choices = DemoChoices(
        free_port("localhost"), free_port("127.0.0.1"), authorize="popup", refuse_frames=True
    )
    with running_demo(choices, tmp_path / "demo") as running:
        yield running


def open_study(tab: Page, demo: RunningDemo, patient: str, study: str) -> FrameLocator:
    """Go from the patient list to the study, as a person does; gives Wetread's frame."""
    tab.goto(demo.choices.hospital_url)
    tab.get_by_role("link", name=patient).click()
    tab.get_by_role("link", name="Imaging", exact=True).click()
    tab.get_by_role("link", name=study).first.click()
    return tab.frame_locator(".panel iframe")


def wait_for_image(wetread: FrameLocator | Page) -> None:
    invert = wetread.locator("[data-action=invert]")
    try:
        expect(invert).to_have_attribute("aria-disabled", "false", timeout=PATIENCE_MS)
    except AssertionError as error:
        error.add_note(f"The page says: {wetread.locator('body').inner_text(timeout=5000)}")
        raise


def diagnose(wetread: FrameLocator | Page) -> str:
    """Click AI diagnosis, or take the reading that is there; gives the headline."""
    button = wetread.get_by_role("button", name="AI diagnosis")
    headline = wetread.locator(".headline")
    expect(button.or_(headline)).to_be_visible(timeout=PATIENCE_MS)
    if button.is_visible():
        button.click()
    expect(headline).to_be_visible(timeout=PATIENCE_MS)
    return headline.inner_text()


def frame_of(tab: Page, patient: str) -> Frame:
    frame = tab.locator(f'iframe[data-patient="{patient}"]').element_handle().content_frame()
    assert frame is not None
    return frame


def plugin_requests(tab: Page, demo: RunningDemo) -> list[Request]:
    seen: list[Request] = []

    def note(request: Request) -> None:
        if request.url.startswith(demo.choices.plugin_url):
            seen.append(request)

    tab.context.on("request", note)
    return seen


def test_from_the_patient_list_to_the_report_in_the_chart(tab: Page, demo: RunningDemo) -> None:
    requests = plugin_requests(tab, demo)
    wetread = open_study(tab, demo, "CLARK, Dan", "Chest X-ray")
    wait_for_image(wetread)
    expect(wetread.locator("#banner")).to_contain_text("CLARK, Dan")
    expect(wetread.locator("#banner")).to_contain_text("H-1001")
    expect(wetread.locator("#identity")).to_contain_text("Patient and image agree")
    canvas = wetread.locator("#canvas")
    assert 20 < canvas.evaluate(CANVAS_GREY) < 235

    headline = diagnose(wetread)
    assert HEADLINE.search(headline)
    expect(wetread.locator(".result")).to_contain_text("Looked only for Covid-19")
    expect(wetread.locator(".report h3")).to_have_text("Report in the chart")
    reference = wetread.locator(".reference").inner_text().split("/")[-1].strip()

    assert canvas.evaluate(CANVAS_RED) == 0
    wetread.get_by_role("switch", name="Heat map").press("Space")
    wetread.get_by_role("slider", name="Opacity").press("End")
    expect(wetread.locator("#heat-value")).to_have_text("100 %")
    assert canvas.evaluate(CANVAS_RED) > 0

    tab.get_by_role("link", name="Reports", exact=True).click()
    report = tab.locator(f'[data-report="{reference}"]')
    expect(report).to_contain_text("preliminary")
    expect(report).to_contain_text(headline.rstrip("."))

    assert len(requests) > 30
    assert [r.url for r in requests if "cookie" in r.all_headers()] == []
    handles = {r.headers["wetread-handle"] for r in requests if "wetread-handle" in r.headers}
    assert len(handles) == 1
    assert [r.url for r in requests if handles.copy().pop() in r.url] == []


def test_third_party_cookies_are_really_blocked_here(tab: Page, demo: RunningDemo) -> None:
    wetread = open_study(tab, demo, "CLARK, Dan", "Chest X-ray")
    wait_for_image(wetread)
    stored = wetread.locator("body").evaluate(
        "() => { document.cookie = 'probe=1; SameSite=None; Secure'; return document.cookie; }"
    )
    assert stored == ""


def test_two_charts_in_one_tab_keep_their_patients_through_every_reload(
    tab: Page, demo: RunningDemo
) -> None:
    patients = {"clark-dan": "CLARK, Dan", "mayer-rosa": "MAYER, Rosa"}
    tab.goto(f"{demo.choices.hospital_url}/compare?patients={','.join(patients)}")
    headlines = {}
    for patient, name in patients.items():
        wetread = tab.frame_locator(f'iframe[data-patient="{patient}"]')
        expect(wetread.locator(".patient-name")).to_have_text(name, timeout=PATIENCE_MS)
        choose_chest_xray(wetread)
        headlines[patient] = diagnose(wetread)

    for patient in patients:
        frame_of(tab, patient).evaluate("() => location.reload()")
    check_patients(tab, patients, headlines)

    tab.reload()
    check_patients(tab, patients, headlines)


def choose_chest_xray(wetread: FrameLocator) -> None:
    """Where the study of the chart cannot be read, choose the chest X-ray as a person would."""
    chest = wetread.locator(".study:enabled", has_text="Chest X-ray").first
    expect(wetread.locator("#layout")).to_be_visible(timeout=PATIENCE_MS)
    if wetread.locator("#layout.nothing-chosen").count():
        chest.click()
    wait_for_image(wetread)


def check_patients(tab: Page, patients: dict[str, str], headlines: dict[str, str]) -> None:
    """Each frame shows its own patient and that patient's reading again."""
    for patient, name in patients.items():
        wetread = tab.frame_locator(f'iframe[data-patient="{patient}"]')
        expect(wetread.locator(".patient-name")).to_have_text(name, timeout=PATIENCE_MS)
        choose_chest_xray(wetread)
        expect(wetread.locator(".headline")).to_have_text(headlines[patient], timeout=PATIENCE_MS)


def test_a_hospital_that_refuses_frames_gets_a_window(
    tab: Page, demo_that_refuses_frames: RunningDemo
) -> None:
    frame = open_study(tab, demo_that_refuses_frames, "CLARK, Dan", "Chest X-ray")
    with tab.expect_popup() as opened:
        frame.get_by_role("button", name="Open Wetread in a window").click()
    wetread = opened.value
    wait_for_image(wetread)
    expect(wetread.locator(".patient-name")).to_have_text("CLARK, Dan")
    headline = diagnose(wetread)
    assert HEADLINE.search(headline)
    wetread.reload()
    expect(wetread.locator(".headline")).to_have_text(headline, timeout=PATIENCE_MS)
    tab.get_by_role("link", name="Reports", exact=True).click()
    expect(tab.locator("#reports")).to_contain_text(headline.rstrip("."))


def test_the_pdf_opens_in_a_tab_of_its_own(tab: Page, demo: RunningDemo) -> None:
    wetread = open_study(tab, demo, "CLARK, Dan", "Chest X-ray")
    wait_for_image(wetread)
    diagnose(wetread)
    with tab.expect_popup() as opened:
        wetread.get_by_role("button", name="Open report (PDF)").click()
    assert opened.value.url.startswith(f"blob:{demo.choices.plugin_url}/")


def test_wetread_looks_like_the_chart_around_it(tab: Page, demo: RunningDemo) -> None:
    wetread = open_study(tab, demo, "CLARK, Dan", "Chest X-ray")
    wait_for_image(wetread)
    # The hospital's own style, by way of its server and under the real content security policy.
    expect(wetread.locator("body")).to_have_css("background-color", "rgb(243, 245, 246)")
    expect(wetread.locator("body")).to_have_css("color", "rgb(27, 37, 41)")
    # The viewer shows the patient itself: one line is enough, but never none.
    expect(wetread.locator("#banner")).not_to_have_class(re.compile("full"))
    expect(wetread.locator(".patient-name")).to_contain_text("CLARK")


def test_wetread_is_dark_in_a_dark_chart(tab: Page, demo: RunningDemo) -> None:
    tab.emulate_media(color_scheme="dark")
    wetread = open_study(tab, demo, "CLARK, Dan", "Chest X-ray")
    wait_for_image(wetread)
    expect(wetread.locator("body")).to_have_css("color", "rgb(231, 237, 242)")
    expect(wetread.locator("body")).to_have_css("background-color", "rgb(15, 21, 27)")
