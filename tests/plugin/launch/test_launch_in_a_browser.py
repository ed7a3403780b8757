"""The launch in Chromium: two frames with two patients, reloads, windows, refused storage.

The hospital's pages lie on `localhost`, Wetread on `127.0.0.1`: to the browser two sites. What
the frames show after the launch is the reading page's concern; here only whose handle they send.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask, redirect, request
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, sync_playwright
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Response

from plugin import create_app
from plugin.launching.handles import EXTENSION
from plugin.services import Services
from plugin.settings import Settings
from tests.browser.installed_chromium import installed_chromium
from tests.plugin.launch.conftest import make_ehr
from tests.plugin.launch.hospital import Hospital

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]


@dataclass
class Site:
    """Viewer and sign-in on localhost, Wetread on 127.0.0.1."""

    viewer: str
    plugin: str
    services: Services

    def chart(self, *patients: str, ehr: str = "north") -> str:
        return f"{self.viewer}/chart?" + urlencode({"patient": patients, "ehr": ehr}, doseq=True)


def serve(app: Flask) -> tuple[BaseWSGIServer, threading.Thread]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    return server, thread


def viewer_app(hospital: Hospital, address: Callable[[], str]) -> Flask:
    """A chart with one frame for each patient; every load mints new launches."""
    app = Flask("viewer")

    @app.get("/chart")
    def chart() -> str:
        frames = []
        for patient in request.args.getlist("patient"):
            query = {"iss": hospital.issuer, "launch": f"{patient}.{time.monotonic_ns()}"}
            source = f"{address()}/launch?{urlencode(query)}".replace("&", "&amp;")
            frames.append(f'<iframe name="{patient}" src="{source}" width="600"></iframe>')
        return "<!doctype html><title>Chart</title>" + "".join(frames)

    @app.get("/authorize")
    def authorize() -> Response:
        patient = request.args["launch"].split(".")[0]
        code = hospital.sign_in(request.url)
        hospital.patients[code["code"]] = patient
        return redirect(f"{request.args['redirect_uri']}?{urlencode(code)}")

    return app


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with installed_chromium(playwright, str(CHROMIUM), ARGUMENTS, folder) as started:
        yield started


@pytest.fixture(scope="module")
def strict_chromium(playwright: Playwright) -> Iterator[Browser]:
    """Started by Playwright, Chromium refuses all storage to a frame of another site."""
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield started
    started.close()


@pytest.fixture(params=["frame"])
def authorize_mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
def site(
    hospital: Hospital, tmp_path: Path, secret_keys: str, authorize_mode: str
) -> Iterator[Site]:
    plugin_address: list[str] = []
    viewer, viewer_thread = serve(viewer_app(hospital, lambda: plugin_address[0]))
    viewer_address = f"http://localhost:{viewer.server_port}"
    hospital.behaviour.discovery = {"authorization_endpoint": f"{viewer_address}/authorize"}
    door = make_server("127.0.0.1", 0, Flask("door"), threaded=True)
    port = door.server_port
    door.server_close()
    plugin_address.append(f"http://127.0.0.1:{port}")
    ehr = make_ehr(
        hospital,
        frame_ancestors=(viewer_address,),
        redirect_uri=f"{plugin_address[0]}/callback/north",
        authorize=authorize_mode,
    )
    app = create_app(
        Settings(
            base_url=plugin_address[0],
            data_dir=tmp_path / "data",
            secret_keys=secret_keys,
            ehrs=(ehr,),
        )
    )
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    services: Services = app.extensions[EXTENSION]
    yield Site(viewer_address, plugin_address[0], services)
    for running, running_thread in ((server, thread), (viewer, viewer_thread)):
        running.shutdown()
        running_thread.join()
        running.server_close()
    services.database.close()


class Watcher:
    """Notes which handle each frame or window sends, and every cookie that anybody sets."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.handles: dict[str, str] = {}
        context.on("request", self._note)

    def _note(self, sent: Request) -> None:
        handle = sent.headers.get("wetread-handle")
        if handle and urlsplit(sent.url).path == "/api/launch":
            self.handles[sent.frame.name] = handle

    def wait(self, page: Page, *names: str) -> dict[str, str]:
        """Wait until each named frame has sent a handle since the last call."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not set(names) <= set(self.handles):
            page.wait_for_timeout(50)
        seen, self.handles = self.handles, {}
        assert set(names) <= set(seen), seen
        assert self.context.cookies() == []
        return seen


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1300, "height": 800})
    made.set_default_timeout(10_000)
    yield made
    made.close()


@pytest.fixture
def strict_context(strict_chromium: Browser) -> Iterator[BrowserContext]:
    made = strict_chromium.new_context(viewport={"width": 1300, "height": 800})
    made.set_default_timeout(10_000)
    yield made
    made.close()


def patient_of(site: Site, handle: str) -> str | None:
    return site.services.launches.by_handle(handle).context.patient


def test_two_frames_with_two_patients_survive_a_reload_of_both_and_of_the_viewer(
    site: Site, context: BrowserContext
) -> None:
    watcher, page = Watcher(context), context.new_page()
    page.goto(site.chart("anna", "bert"))
    first = watcher.wait(page, "anna", "bert")
    assert {name: patient_of(site, one) for name, one in first.items()} == {
        "anna": "anna",
        "bert": "bert",
    }

    for name in ("anna", "bert"):
        frame = page.frame(name=name)
        assert frame is not None
        address = urlsplit(frame.url)
        assert (address.path, address.query) == ("/callback/north", "")
        frame.evaluate("location.reload()")
    assert watcher.wait(page, "anna", "bert") == first

    page.reload()
    second = watcher.wait(page, "anna", "bert")
    assert {name: patient_of(site, one) for name, one in second.items()} == {
        "anna": "anna",
        "bert": "bert",
    }
    assert set(second.values()).isdisjoint(first.values())


def test_handle_is_in_no_address_and_the_code_has_left_the_history(
    site: Site, context: BrowserContext
) -> None:
    addresses: list[str] = []
    context.on("request", lambda sent: addresses.append(sent.url))
    watcher, page = Watcher(context), context.new_page()
    page.goto(site.chart("anna"))
    handle = watcher.wait(page, "anna")["anna"]
    assert not any(handle in address for address in addresses)
    frame = page.frame(name="anna")
    assert frame is not None
    assert frame.evaluate("location.href") == f"{site.plugin}/callback/north"
    left = frame.evaluate("Object.keys(sessionStorage).map((key) => key.split('.')[1])")
    assert left == ["handle"]


def test_callback_address_opened_by_itself_explains_what_to_do(
    site: Site, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{site.plugin}/callback/north")
    page.get_by_text("Wetread is opened from the chart").wait_for()


def test_callback_stolen_into_another_tab_opens_nothing(
    site: Site, context: BrowserContext, hospital: Hospital
) -> None:
    page = context.new_page()
    page.goto(f"{site.plugin}/callback/north?code=stolen&state=stolen")
    page.get_by_text("begun in another tab").wait_for()
    assert hospital.paths("/token") == 0


@pytest.mark.parametrize("authorize_mode", ["popup"], indirect=True)
def test_popup_hospital_gets_a_window_in_which_the_whole_launch_happens(
    site: Site, context: BrowserContext
) -> None:
    watcher, page = Watcher(context), context.new_page()
    page.goto(site.chart("anna"))
    frame = page.frame(name="anna")
    assert frame is not None
    button = frame.get_by_role("button", name="Open Wetread in a window")
    button.wait_for()
    assert watcher.handles == {}
    with context.expect_page() as opened:
        button.click()
    window = opened.value
    handle = watcher.wait(window, "")[""]
    assert patient_of(site, handle) == "anna"
    assert window.evaluate("window.opener") is None
    assert frame.get_by_text("Wetread is open in its own window").is_visible()


def test_refused_storage_is_noticed_and_a_window_offered(
    site: Site, strict_context: BrowserContext
) -> None:
    watcher, page = Watcher(strict_context), strict_context.new_page()
    page.goto(site.chart("anna"))
    frame = page.frame(name="anna")
    assert frame is not None
    button = frame.get_by_role("button", name="Open Wetread in a window")
    button.wait_for()
    assert frame.get_by_text("keeps nothing for Wetread").is_visible()
    with strict_context.expect_page() as opened:
        button.click()
    handle = watcher.wait(opened.value, "")[""]
    assert patient_of(site, handle) == "anna"


def test_viewer_that_is_not_registered_cannot_frame_the_launch(
    site: Site, context: BrowserContext, hospital: Hospital
) -> None:
    stranger = Flask("stranger")
    query = urlencode({"iss": hospital.issuer, "launch": "anna.1"}).replace("&", "&amp;")
    source = f"{site.plugin}/launch?{query}"
    stranger.get("/")(lambda: f'<iframe name="anna" src="{source}"></iframe>')
    server, thread = serve(stranger)
    try:
        page = context.new_page()
        page.goto(f"http://localhost:{server.server_port}/")
        # What Chromium shows in place of a refused document does not always keep the frame's name.
        (frame,) = page.frames[1:]
        assert frame.get_by_text("Opening Wetread").count() == 0
        assert parse_qs(urlsplit(frame.url).query).get("launch") is None
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
