"""200 CT slices from a real Orthanc: the plugin's own fetching against one bare download.

No gateway is in between, and both sides run in one process on the same connection settings. The
bare download asks for the series in one WADO-RS request and keeps the answer as it is: no parts, no
files, no numbers of images. Ours ends with every image in a file of its own, known by name; reading
the headers (whose images these are) is a step of its own and shown as such.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests
from pydicom.data import get_testdata_file

from bench.rows import Row
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.imaging_study import Study
from plugin.imaging.pacs import HEADERS, Pacs
from plugin.imaging.study_images import FetchedStudy, fetch_study
from tests.orthanc.door import PasswordHttp, study_at
from tests.orthanc.modality import scan, send
from tests.orthanc.server import Orthanc, missing, running_orthanc

SLICES = 200
ROUNDS = 7
# Uncompressed, 512 x 512, 16 bit.
SLICE = "693_UNCR.dcm"
MEGABYTE = 1024**2
AGAINST = "one bare WADO-RS request, nothing taken apart"


def measure() -> list[Row]:
    """Fetch in a fresh process, so that its memory is its own; no rows without Orthanc."""
    lack = missing() or (get_testdata_file(SLICE) is None and "pydicom-data is not installed")
    if lack:
        print(f"bench: no rows of the archive: {lack}", file=sys.stderr)
        return []
    command = [sys.executable, "-m", "bench.pacs_fetch"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(answer.stdout)
    return [
        Row(f"{SLICES} CT slices from Orthanc", found["ours_ms"], "ms", found["bare_ms"], AGAINST,
            "at least 0.8x"),
        Row("  then every header read", found["headers_ms"], "ms"),
        Row("  memory that fetching takes", found["memory_mb"], "MB", found["bytes_mb"],
            "the bytes fetched", "does not grow with the study"),
    ]  # fmt: skip


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory() as name, running_orthanc(Path(name) / "pacs") as orthanc:
        images = scan(SLICES, SLICE)
        send(orthanc, images)
        study = study_at(f"{orthanc.origin}/dicom-web", images)
        del images
        print(json.dumps(_figures(orthanc, study, Path(name))))


def _figures(orthanc: Orthanc, study: Study, folder: Path) -> dict[str, float]:
    http, bare = PasswordHttp(orthanc), _bare_download(orthanc, study)

    def ours(name: str) -> FetchedStudy:
        cache = ImageCache(folder / name)
        place = cache.folder("launch", "study")
        allowance = Allowance(4000, 256 * MEGABYTE, 4096 * MEGABYTE)
        return fetch_study(study, lambda a: Pacs(http, a, str), cache, place, {"CT"}, allowance)

    before = _resident_mb(anew=True)
    fetched = ours("first")
    memory_mb = _resident_mb() - before
    ours_ms, bare_ms = [], []
    for _ in range(ROUNDS):
        ours_ms.append(_timed_ms(lambda: ours("again")))
        # What was written must not wait in memory for the disk when the next round begins.
        shutil.rmtree(folder / "again")
        bare_ms.append(_timed_ms(bare))
    return {
        "ours_ms": statistics.median(ours_ms),
        "bare_ms": statistics.median(bare_ms),
        "headers_ms": _timed_ms(lambda: fetched.facts),
        "memory_mb": memory_mb,
        "bytes_mb": sum(path.stat().st_size for path in fetched.files) / 1e6,
    }


def _bare_download(orthanc: Orthanc, study: Study) -> Callable[[], object]:
    (series,) = study.series
    address = f"{orthanc.origin}/dicom-web/studies/{study.uid}/series/{series.uid}"
    session = requests.Session()
    session.auth = (orthanc.user, orthanc.password)
    return lambda: session.get(address, headers=HEADERS, timeout=60).content


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _resident_mb(*, anew: bool = False) -> float:
    """Give the most memory that this process has had; `anew`: forget what it had before."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(peak_kb) / 1000


if __name__ == "__main__":
    main()
