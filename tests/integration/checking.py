"""`wetread check` as an administrator runs it beside a running demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from plugin.demo.processes import RunningDemo

LIMIT_S = 60
SECRETS = ("CLARK", "clark-dan", "H-1001", "1930-10-19", "Bearer")


def check(demo: RunningDemo, **ehr: object) -> tuple[int, dict[str, str], str]:
    """Run the command, with other settings of the EHR where the test wants them.

    Returns
    -------
    tuple
        Exit status, kind by code, and all that it printed: nothing about the patient.
    """
    config = demo.folder / "wetread.toml"
    table = tomllib.loads(config.read_text("utf-8"))["ehrs"][0] | ehr
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
    changed = {"WETREAD_CONFIG": str(config), "WETREAD_EHRS": json.dumps([table])}
    done = subprocess.run(
        [sys.executable, "-m", "plugin", "check", "--ehr", "sandbox", "--json"],
        env=ours | changed,
        cwd=Path.cwd(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for secret in SECRETS:
        assert secret not in done.stdout
    return done.returncode, {line["code"]: line["kind"] for line in lines}, done.stdout
