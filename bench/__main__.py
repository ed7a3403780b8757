"""Run all benchmarks: `python -m bench [--json]`."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import cds_hook, click_to_report, one_image, pacs_fetch, real_servers
from bench.rows import show

TRAINING = Path(".venv-train/bin/python")

if __name__ == "__main__":
    rows = one_image.measure(Path(sys.executable), TRAINING) + click_to_report.measure()
    rows += real_servers.measure() + cds_hook.measure() + pacs_fetch.measure()
    show(rows, as_json="--json" in sys.argv)
