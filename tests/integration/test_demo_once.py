"""`wetread demo --once --json`: one whole reading over real processes, read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration
ARTICLE = Path(__file__).parents[3] / "shared" / "data" / "article" / "test"
STEPS = {"find_study", "fetch_images", "check_identity", "read_images", "write_report"}


def once(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "plugin", "demo", "--once", "--json", *options],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.mark.parametrize("write", ["transaction-put", "put", "create"])
def test_one_reading_ends_in_a_report_that_another_client_reads_back(write: str) -> None:
    outcome = once("--write", write)
    assert outcome["report"].startswith("DiagnosticReport/")
    assert outcome["observation"].startswith("Observation/")
    assert 0 <= outcome["probability"] <= 1
    assert set(outcome["timings_ms"]) >= STEPS
    assert all(spent >= 0 for spent in outcome["timings_ms"].values())


def test_a_folder_of_pictures_becomes_patients_and_the_first_by_name_is_read() -> None:
    if not ARTICLE.is_dir():
        pytest.skip("the article's pictures (../shared/data) are not here")
    outcome = once("--images", str(ARTICLE / "normal"))
    assert outcome["report"].startswith("DiagnosticReport/")
    assert outcome["probability"] is None or 0 <= outcome["probability"] <= 1


def test_a_picture_that_is_no_chest_is_reported_as_unreadable_with_a_reason(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    noise = np.random.default_rng(7).integers(0, 256, (600, 500), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    outcome = once("--images", str(tmp_path))
    assert outcome["probability"] is None
    assert outcome["reasons"]
