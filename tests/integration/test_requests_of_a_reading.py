"""The requests of one reading, read on the wire by the strict hospital: docs/requests.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.click_to_report import write_copies
from plugin.demo.drive import Clinician
from plugin.demo.processes import running_demo
from plugin.demo.requests_made import Asked, fhir_of_readings, wetreads_requests
from tests.integration.conftest import choices

pytestmark = pytest.mark.integration

MANUAL = Path(__file__).parents[2] / "docs" / "requests.md"
COUNTS = {"transaction-put": 3, "put": 11, "create": 9}
FIND = "GET ImagingStudy?patient&_id&_include=ImagingStudy:endpoint&_include=ImagingStudy:patient"
LOOK = ["GET DiagnosticReport?subject&identifier", "GET ImagingStudy/{id}", "GET Patient/{id}"]
OURS = ["GET Observation/{id}", "GET DiagnosticReport/{id}"]
EXPECTED = {
    "transaction-put": [FIND, "POST batch", "POST transaction"],
    "put": [
        *(FIND, *LOOK, *OURS),
        *("PUT Observation/{id}", "GET DiagnosticReport/{id}", "PUT DiagnosticReport/{id}"),
        *("POST Provenance", "GET DiagnosticReport/{id}"),
    ],
    "create": [
        *(FIND, *LOOK, "GET Observation?subject&identifier"),
        *("POST Observation", "POST DiagnosticReport", "POST Provenance"),
        "GET DiagnosticReport/{id}",
    ],
}
INSIDE = [
    (*LOOK, *OURS),
    (
        "PUT Observation/{id}",
        "PUT DiagnosticReport/{id}",
        "POST Provenance",
        "GET DiagnosticReport/{id}",
    ),
]


def readings(mode: str, folder: Path) -> list[list[Asked]]:
    """Read two patients' studies, one after the other."""
    write_copies(folder / "images", 2)
    chosen = choices(write=mode, images=folder / "images")
    with running_demo(chosen, folder / "demo") as demo:
        clinician = Clinician(chosen)
        for patient in clinician.patients_from_images():
            clinician.read_once(patient)
        return fhir_of_readings(wetreads_requests(demo.folder))


@pytest.mark.parametrize("mode", COUNTS)
def test_a_reading_asks_the_strict_hospital_no_more_than_is_written_down(
    mode: str, tmp_path: Path
) -> None:
    first, second = readings(mode, tmp_path)
    assert [one.what for one in second] == EXPECTED[mode]
    assert len(second) == COUNTS[mode]
    assert {one.status for one in second} <= {200, 201, 404}
    if mode == "transaction-put":
        assert [one.entries for one in first[1:]] == INSIDE
        assert len(first) == len(second)
        return
    # What this hospital does not take was tried once.
    refused = [one for one in first if one.status not in (200, 201, 404)]
    assert {one.what for one in refused} <= {"POST batch", "PUT Observation/{id}"}


def test_the_manual_gives_the_same_counts() -> None:
    text = MANUAL.read_text("utf-8")
    for mode, count in COUNTS.items():
        row = re.findall(rf"^\| `{mode}` .*$", text, re.MULTILINE)[0]
        with_batches, without = row.split("|")[2:4]
        shown = with_batches if mode == "transaction-put" else without
        assert int(shown) == count, row
