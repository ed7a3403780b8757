"""What holds for the repository as a whole: true manuals, nothing that does not belong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from plugin.cli import main as COMMANDS_GROUP  # noqa: N812

ROOT = Path(__file__).parent.parent
MANUALS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_manual_leads_somewhere(manual: Path) -> None:
    text = manual.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (manual.parent / target).exists(), f"{manual.name} links to {target}"


@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_manual_names_exists(manual: Path) -> None:
    packages = (
        "smart_launch|inference|plugin|training|sandbox|fhir_examples|tests|docs|requirements|bench"
    )
    for name in re.findall(rf"`((?:{packages})/[\w/.-]+)`", manual.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{manual.name} names {name}"


def test_the_help_page_lists_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from plugin.cli import main, COMMANDS;"
        "out = CliRunner().invoke(main, ['--help']).output;"
        "assert all(name in out for name in COMMANDS), out;"
        "heavy = {'flask', 'numpy', 'pydicom', 'onnxruntime', 'celery', 'sqlalchemy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("extra", ["serve", "setup", "test", "gpu"])
def test_no_tensorflow_among_the_pins_of_serving_and_tests(extra: str) -> None:
    pins = (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8")
    assert not re.search(r"^(tensorflow|keras|torch)\b", pins, re.MULTILINE)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.name
)
def test_pins_carry_hashes_and_no_index_addresses(path: Path) -> None:
    pins = path.read_text("utf-8")
    assert "://" not in pins
    names = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==", pins, re.MULTILINE)
    assert names
    assert pins.count("--hash=sha256:") >= len(names)


def test_the_image_starts_a_command_that_exists_and_asks_it_where_it_listens() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    words = [json.loads(found) for found in re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)]
    command = COMMANDS_GROUP.get_command(click.Context(COMMANDS_GROUP), words[0][0])
    assert command is not None
    command.make_parser(click.Context(command)).parse_args(list(words[0][1:]))
    port = re.search(r"WETREAD_BIND=0\.0\.0\.0:(\d+)", text)
    assert port
    assert f"EXPOSE {port[1]}" in text
    assert f"http://127.0.0.1:{port[1]}/healthz" in text


def test_weights_stay_under_25_mb_a_model() -> None:
    for folder in (ROOT / "inference" / "models").iterdir():
        weights = sum(path.stat().st_size for path in folder.rglob("*.onnx"))
        assert weights <= 25e6, folder.name


def test_no_patient_images_among_the_tracked_files() -> None:
    kinds = {".dcm", ".jpg", ".jpeg", ".png", ".npy", ".npz"}
    found = {path.relative_to(ROOT) for path in tracked() if path.suffix.lower() in kinds}
    # The screenshot shows the radiograph of pydicom-data (MIT).
    assert found <= {Path("docs/screenshot.png")}


def test_files_stay_short_enough_for_a_head() -> None:
    code = [path for path in tracked() if path.suffix in {".py", ".js"} and path.exists()]
    long = {
        str(p.relative_to(ROOT)): n
        for p in code
        if (n := len(p.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}
