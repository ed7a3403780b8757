"""Chromium as a hospital would run it: its own defaults, third-party cookies blocked.

Playwright's own launch turns storage partitioning off, which every installed Chromium has on; then
a frame of another site loses its storage together with its cookies. So the browser is started
here and only driven through its debugging port.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright

START_LIMIT_S = 60.0
PREFERENCES = {"profile": {"block_third_party_cookies": True, "cookie_controls_mode": 1}}


@contextmanager
def installed_chromium(
    playwright: Playwright, program: str, arguments: list[str], folder: Path
) -> Iterator[Browser]:
    """Run Chromium with a fresh profile in `folder` while the block runs."""
    profile = folder / "Default"
    profile.mkdir(parents=True)
    (profile / "Preferences").write_text(json.dumps(PREFERENCES), encoding="utf-8")
    command = [
        program,
        *arguments,
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            browser = playwright.chromium.connect_over_cdp(_address(folder, process))
            yield browser
            browser.close()
        finally:
            process.terminate()
            process.wait(20)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    port_file = folder / "DevToolsActivePort"
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if port_file.is_file() and "\n" in port_file.read_text():
            return f"http://127.0.0.1:{port_file.read_text().split()[0]}"
        time.sleep(0.05)
    raise RuntimeError(f"Chromium must open its debugging port within {START_LIMIT_S:.0f} s")
