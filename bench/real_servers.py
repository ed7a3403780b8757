"""Click to report read back with real servers behind the demo hospital: HAPI FHIR and Orthanc.

Every FHIR request passes the hospital's gateway, which checks it and asks HAPI itself; the log of
the gateway gives the requests of a reading and the time that they took there. HAPI validates what
is written. What is not installed is said, and its rows are left out.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.click_to_report import STEPS, write_copies
from bench.rows import Row
from plugin.demo.drive import Clinician, Outcome
from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import running_demo
from plugin.demo.requests_made import Asked, fhir_of_readings, wetreads_requests
from tests.hapi import server as hapi
from tests.orthanc import server as orthanc

CLICKS = 10
# HAPI is slow until the Java virtual machine has seen the same request a few times.
WARM_UP = 5
SERVERS = "HAPI and Orthanc"


def measure() -> list[Row]:
    """Read one study after the other; say on stderr what is missing."""
    lacking = [why for why in (hapi.missing(), orthanc.missing()) if why]
    if lacking:
        print(f"No row for {SERVERS}: {'; '.join(lacking)}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_copies(folder / "images", CLICKS)
        with _real_servers(folder) as choices:
            outcomes, asked = _read_all(choices, folder / "demo")
    return _rows(outcomes[WARM_UP:], fhir_of_readings(asked)[WARM_UP:])


@contextmanager
def _real_servers(folder: Path) -> Iterator[DemoChoices]:
    hapi.build()
    with (
        hapi.running_hapi(folder / "hapi") as records,
        orthanc.running_orthanc(folder / "orthanc") as archive,
    ):
        yield DemoChoices(
            hospital_port=free_port(HOSPITAL_HOST),
            plugin_port=free_port(PLUGIN_HOST),
            fhir=records.url,
            dicomweb=archive.dicomweb_url,
            images=folder / "images",
        )


def _read_all(choices: DemoChoices, folder: Path) -> tuple[list[Outcome], list[Asked]]:
    with running_demo(choices, folder):
        clinician = Clinician(choices)
        outcomes = [clinician.read_once(one) for one in clinician.patients_from_images()]
        return outcomes, wetreads_requests(folder)


def _rows(outcomes: list[Outcome], readings: list[list[Asked]]) -> list[Row]:
    def median(step: str) -> float:
        return statistics.median(outcome.timings_ms.get(step, 0.0) for outcome in outcomes)

    def of_readings(figure: Callable[[list[Asked]], float]) -> float:
        return statistics.median(figure(reading) for reading in readings)

    records_ms = of_readings(lambda reading: sum(one.spent_ms for one in reading))
    floor = records_ms + median("fetch_images") + median("read_images")
    against = "its time in the record, the fetch and the model"
    kinds = [one.what.partition("?")[0] for one in readings[-1]]
    return [
        Row(f"click to report, {SERVERS}", median("click_to_report"), "ms", floor, against),
        *(Row(f"  {step}", median(step), "ms") for step in STEPS),
        Row("  FHIR requests of a reading", of_readings(len), "", goal=f"3: {', '.join(kinds)}"),
        Row("  their time in gateway and HAPI", records_ms, "ms"),
    ]
