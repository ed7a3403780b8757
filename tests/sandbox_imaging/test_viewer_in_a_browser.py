"""The viewer in headless Chromium: what only a browser can show."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.clients import Client
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox.smart_client import CALLBACK
from tests.sandbox_imaging.conftest import SCOPES, needs_pydicom_data
from tests.sandbox_imaging.pictures import picture, png_claiming

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
Run = Callable[[Callable[[Any], None]], None]
DROP = """
([data, name]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    const event = new DragEvent("drop", { dataTransfer: transfer, cancelable: true });
    document.getElementById("drop").dispatchEvent(event);
}
"""


class _Client(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>client</title><p id=here>The client is here.</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A hospital on localhost whose client lives on another site, 127.0.0.1."""
    needs_pydicom_data()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Client)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/launch"
    client = Client("wetread", "Wetread", "public", (CALLBACK,), address, SCOPES)
    folder = tmp_path_factory.mktemp("viewer")
    with RunningSandbox(SandboxSettings(folder, (client,), port=0)) as running:
        yield running
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run steps with a page; in a thread of its own, since Playwright takes one for itself."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with ThreadPoolExecutor(1) as thread:
        playwright = thread.submit(sync_playwright().start).result()
        options = {"executable_path": CHROMIUM, "args": ARGUMENTS}
        chromium = thread.submit(playwright.chromium.launch, **options).result()
        yield lambda work: thread.submit(_with_page, chromium, work).result()
        thread.submit(chromium.close).result()
        thread.submit(playwright.stop).result()


def _with_page(chromium: Any, work: Callable[[Any], None]) -> None:
    errors: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if "Security Policy" in m.text else None)
    work(page)
    context.close()
    assert errors == []


def test_intent_and_banner_are_chosen_for_the_next_launch(
    hospital: RunningSandbox, run: Run
) -> None:
    launched: list[str] = []

    def work(page: Any) -> None:
        page.goto(f"{hospital.base_url}/patients/clark-dan/imaging/clark-dan-chest-xray")
        page.frame_locator(".panel iframe").locator("#here").wait_for()
        first = page.frames[1].url
        page.get_by_text("Launch options").click()
        page.get_by_label("Intent").fill("diagnose")
        page.get_by_label("Client shows the patient banner").check()
        page.get_by_role("button", name="Reload panel").click()
        page.wait_for_function("f => document.querySelector('.panel iframe').src !== f", arg=first)
        launched.append(page.locator(".panel iframe").get_attribute("src"))

    run(work)
    (code,) = parse_qs(urlsplit(launched[0]).query)["launch"]
    launch = hospital.app.extensions["sandbox"].launches.consume(code, "wetread")
    assert (launch.study, launch.intent) == ("clark-dan-chest-xray", "diagnose")
    assert launch.need_patient_banner is True


def test_a_newcomer_finds_the_chest_xray_and_the_clients_panel(
    hospital: RunningSandbox, run: Run
) -> None:
    def work(page: Any) -> None:
        page.goto(hospital.base_url)
        page.get_by_label("Search by name").fill("clark")
        assert page.get_by_role("link", name="MAYER, Rosa").is_hidden()
        page.get_by_role("link", name="CLARK, Dan").click()
        page.get_by_role("link", name="Imaging", exact=True).click()
        page.get_by_role("link", name="Chest X-ray").click()
        page.frame_locator(".panel iframe").locator("#here").wait_for()
        page.wait_for_function("document.getElementById('picture').naturalWidth > 1000")
        first = page.frames[1].url
        page.reload()
        page.frame_locator(".panel iframe").locator("#here").wait_for()
        assert page.frames[1].url != first

    run(work)


def test_the_image_zooms_moves_and_inverts_by_keyboard(hospital: RunningSandbox, run: Run) -> None:
    def work(page: Any) -> None:
        page.goto(f"{hospital.base_url}/patients/clark-dan/imaging/clark-dan-chest-xray")
        page.locator("#pane").focus()
        style = "document.getElementById('picture').style"
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(f"{style}.transform") == "translate(40px, 0px) scale(1.25)"
        page.keyboard.press("i")
        assert "invert" in page.evaluate(f"{style}.filter")
        page.keyboard.press("0")
        assert page.evaluate(f"{style}.transform") == "translate(0px, 0px) scale(1)"

    run(work)


def test_dropped_and_chosen_files_are_added_and_junk_is_explained(
    hospital: RunningSandbox, run: Run, tmp_path: Path
) -> None:
    huge, junk = tmp_path / "huge.png", tmp_path / "junk.dcm"
    huge.write_bytes(png_claiming(60_000, 60_000))
    junk.write_bytes(b"junk" * 100)
    good = base64.b64encode(picture(size=(123, 77))).decode()

    def work(page: Any) -> None:
        page.goto(f"{hospital.base_url}/patients/okafor-tunde/imaging")
        studies = page.locator(".card").count()
        page.locator("#files").set_input_files([huge, junk])
        page.locator("#uploads li.bad").nth(1).wait_for()
        said = page.locator("#uploads").inner_text()
        assert "at most 64,000,000 pixels" in said
        assert "must be a whole PNG, JPEG or DICOM image" in said
        page.select_option("#body-part", "CHEST")
        page.evaluate(DROP, [good, "dropped.png"])
        page.locator(".card").nth(studies).wait_for()
        assert "Chest X-ray" in page.locator(".cards").inner_text()

    run(work)


def test_a_report_appears_by_itself_while_the_page_is_open(
    hospital: RunningSandbox, run: Run
) -> None:
    fhir = hospital.app.extensions["sandbox"].fhir
    report = {
        "resourceType": "DiagnosticReport",
        "id": "arrives",
        "status": "preliminary",
        "code": {"text": "Chest X-ray"},
        "subject": {"reference": "Patient/mayer-rosa"},
        "conclusion": "<b>Nothing</b> certain.",
    }

    def work(page: Any) -> None:
        page.goto(f"{hospital.base_url}/patients/mayer-rosa/reports")
        page.get_by_text("No reports yet").wait_for()
        fhir.update(report)
        page.locator('[data-report="arrives"]').wait_for()
        assert "<b>Nothing</b> certain." in page.locator(".conclusion").inner_text()

    run(work)


def test_two_charts_in_one_tab_have_two_launches(hospital: RunningSandbox, run: Run) -> None:
    def work(page: Any) -> None:
        page.goto(f"{hospital.base_url}/compare?patients=clark-dan,mayer-rosa")
        for patient in ("clark-dan", "mayer-rosa"):
            page.frame_locator(f'iframe[data-patient="{patient}"]').locator("#here").wait_for()
        left, right = (frame.url for frame in page.frames[1:])
        assert left != right

    run(work)


@pytest.mark.parametrize("width", [768, 1024, 1280])
def test_no_page_scrolls_sideways(hospital: RunningSandbox, run: Run, width: int) -> None:
    def work(page: Any) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        for path in (
            "/",
            "/patients/mayer-rosa",
            "/patients/mayer-rosa/imaging",
            "/patients/mayer-rosa/imaging/mayer-rosa-chest-xray",
            "/patients/mayer-rosa/reports",
            "/compare?patients=clark-dan,mayer-rosa",
        ):
            page.goto(f"{hospital.base_url}{path}")
            room = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(room) <= 0, path

    run(work)


def test_the_switch_in_the_footer_is_kept(hospital: RunningSandbox, run: Run) -> None:
    def work(page: Any) -> None:
        page.goto(hospital.base_url)
        switch = page.get_by_label("Sign-in pages refuse frames")
        switch.check()
        page.get_by_text("A launch in a frame now fails.").wait_for()
        page.reload()
        assert switch.is_checked()
        switch.uncheck()
        page.get_by_text("Launches in frames work again.").wait_for()

    run(work)
