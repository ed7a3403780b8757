"""What the package promises about itself: who opens sockets, who imports what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import smart_launch

FOLDER = Path(smart_launch.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
SENDING_LIBRARIES = {"requests", "socket", "http", "httpx", "urllib3", "asyncio", "ssl"}

MAY_SEND = {
    "http": {"requests", "urllib3"},
    "http_session": {"requests"},  # the session that http.py sends with
    "http_failures": {"requests", "urllib3"},  # the names of their errors
    "answer": {"urllib3"},  # the reading of Retry-After
}


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_only_http_opens_sockets(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(file)}
    sending = roots & SENDING_LIBRARIES | {n for n in imported(file) if n == "urllib.request"}
    assert sending <= MAY_SEND.get(file.stem, set())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_file_reaches_into_the_application(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(file)}
    assert not roots & {"flask", "plugin", "inference", "sandbox", "numpy", "pydicom"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_certificates_are_always_verified(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "verify=False" not in text
    assert "CERT_NONE" not in text


def test_importing_everything_opens_nothing_and_stays_light() -> None:
    names = ", ".join(f"smart_launch.{file.stem}" for file in FILES if file.stem != "__init__")
    program = (
        f"import sys, {names}\n"
        "loaded = {'numpy', 'flask', 'pydicom', 'cv2', 'PIL', 'onnxruntime'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=FOLDER.parent)
