"""`make demo FHIR=hapi PACS=orthanc`: one whole reading with both real servers behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hapi import server as hapi_server
from tests.orthanc import server as orthanc_server
from tests.required import skip_or_fail

pytestmark = [pytest.mark.integration, pytest.mark.slow]
LIMIT_S = 400


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.with_real_servers", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_one_reading_with_hapi_and_orthanc_behind_the_demo_hospital() -> None:
    for lack in (hapi_server.missing(), orthanc_server.missing()):
        if lack is not None:
            skip_or_fail(lack)
    hapi_server.build()
    done = demo("--fhir", "hapi", "--pacs", "orthanc", "--", "--once", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["report"].startswith("DiagnosticReport/")
    assert 0 <= outcome["probability"] <= 1
    assert "p@" not in done.stdout  # the archive's password


def test_what_the_demo_says_and_how_it_ends_is_handed_on() -> None:
    done = demo("--", "--json")
    assert done.returncode == 2
    assert "it needs --once" in done.stderr
