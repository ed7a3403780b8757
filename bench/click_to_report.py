"""Click to report read back, hospital and Wetread on this machine, warm.

Every click is on another patient's study (a copy of the demo radiograph under an identity of its
own), so nothing comes from a cache. The baseline is what no reading can do without: the same
bytes fetched with one bare request, and the model's own time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pydicom
import requests
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from bench.rows import Row
from plugin.demo.drive import Clinician, Outcome
from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo
from plugin.demo.requests_made import Asked, fhir_of_readings, wetreads_requests

CLICKS = 12
WARM_UP = 3
STEPS = ("find_study", "fetch_images", "check_identity", "read_images", "write_report")


def measure() -> list[Row]:
    """Click, and weigh the processes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        write_copies(images, CLICKS)
        choices = DemoChoices(
            hospital_port=free_port(HOSPITAL_HOST),
            plugin_port=free_port(PLUGIN_HOST),
            images=images,
        )
        with running_demo(choices, Path(folder) / "demo") as demo:
            outcomes = list(_clicks(choices))
            bare_ms = _bare_fetch_ms(choices)
            readings = fhir_of_readings(wetreads_requests(demo.folder))[WARM_UP:]
            return [
                *_time_rows(outcomes[WARM_UP:], bare_ms),
                _requests_row(readings),
                *_memory_rows(demo),
            ]


def write_copies(folder: Path, count: int) -> None:
    """Write the radiograph so many times, each under another identity."""
    folder.mkdir()
    dataset = pydicom.dcmread(str(get_testdata_file("RG1_UNCR.dcm")))
    for number in range(count):
        dataset.PatientID = f"BENCH-{number:03d}"
        dataset.PatientName = f"BENCH^{number:03d}"
        dataset.StudyInstanceUID = generate_uid()
        dataset.SeriesInstanceUID = generate_uid()
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{number:03d}.dcm")


def _clicks(choices: DemoChoices) -> Iterator[Outcome]:
    clinician = Clinician(choices)
    for patient in clinician.patients_from_images():
        yield clinician.read_once(patient)


def _time_rows(outcomes: list[Outcome], bare_ms: float) -> list[Row]:
    def median(step: str) -> float:
        return statistics.median(outcome.timings_ms.get(step, 0.0) for outcome in outcomes)

    total, model = median("click_to_report"), median("read_images")
    floor = bare_ms + model
    own = total - median("fetch_images") - model
    against = "one bare request for the bytes, plus the model"
    steps = [Row(f"  {step}", median(step), "ms") for step in STEPS]
    return [
        Row("click to report", total, "ms", floor, against, "median under 1,000 ms"),
        *steps,
        Row("Wetread's own share", own, "ms", goal="under 300 ms"),
        Row("whole EHR launch", median("launch"), "ms"),
        Row("fetch", median("fetch_images"), "ms", bare_ms, "one bare request for the bytes"),
    ]


def _requests_row(readings: list[list[Asked]]) -> Row:
    """Count the FHIR requests of a reading: docs/requests.md."""
    count = statistics.median(len(reading) for reading in readings)
    return Row("FHIR requests of a reading", count, "", goal="3: find, look, write")


def _bare_fetch_ms(choices: DemoChoices) -> float:
    """Median time of one bare WADO-RS request for the same bytes."""
    clinician = Clinician(choices)
    times = []
    for patient in clinician.patients_from_images()[-5:]:
        fhir, token = clinician.observer(patient)
        study = next(iter(fhir.search("ImagingStudy", {"patient": patient})))
        uid = study["identifier"][0]["value"].removeprefix("urn:oid:")
        started = time.perf_counter()
        answer = requests.get(
            f"{choices.hospital_url}/dicomweb/studies/{uid}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
            },
            timeout=30,
        )
        times.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
    return statistics.median(times)


def _memory_rows(demo: RunningDemo) -> list[Row]:
    """Resident memory of the web process and of the worker, after the clicks."""
    found: dict[str, float] = {}
    for process in psutil.Process(demo.plugin.pid).children(recursive=True):
        line = " ".join(process.cmdline())
        kind = "worker" if "worker" in line else "web"
        found[kind] = max(found.get(kind, 0.0), process.memory_info().rss / 1e6)
    return [
        Row("web process, resident", found.get("web", 0.0), "MB", 150.0, "limit", "under 150 MB"),
        Row("worker, resident", found.get("worker", 0.0), "MB", 500.0, "limit", "under 500 MB"),
    ]
