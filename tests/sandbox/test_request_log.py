"""The log of requests counts what clients ask and tells nothing of patients."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.request_log import shape_of
from tests.sandbox.conftest import open_hospital
from tests.sandbox.smart_client import SmartClient, observation


def test_every_request_is_noted_with_who_asked_and_what_came_of_it(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text("from an earlier run\n")
    with open_hospital(tmp_path / "hospital", request_log=log) as hospital:
        fhir = SmartClient(hospital).fhir()
        fhir.get("/Patient/clark-dan")
        fhir.get("/ImagingStudy?patient=clark-dan&_include=ImagingStudy:endpoint")
        fhir.get("/Patient/nobody-of-that-id")
        reads = [{"request": {"method": "GET", "url": "Patient/clark-dan"}}]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": reads}
        fhir.send("POST", "", batch)
        fhir.send("POST", "/Observation", observation())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["asked"], one["status"]) for one in lines] == [
        ("GET Patient/{id}", 200),
        ("GET ImagingStudy?patient&_include=ImagingStudy:endpoint", 200),
        ("GET Patient/{id}", 404),
        ("POST batch", 200),
        ("POST Observation", 201),
    ]
    assert lines[3]["entries"] == ["GET Patient/{id}"]
    assert {one["client"] for one in lines} == {"wetread"}
    assert all(one["ms"] >= 0 for one in lines)
    assert "clark" not in log.read_text()


@pytest.mark.parametrize(
    ("address", "shape"),
    [
        ("/fhir/r4/Patient/dan/_history/2", "GET Patient/{id}/_history/2"),
        ("/fhir/r4/DiagnosticReport/$validate?mode=create", "GET DiagnosticReport/$validate?mode"),
        ("/dicomweb/studies/1.2.3/series/1.2", "GET dicomweb/studies/{uid}/series/{uid}"),
        ("/fhir/r4/metadata", "GET metadata"),
        ("Observation?subject=Patient/dan&code=a|1", "GET Observation?subject&code"),
    ],
)
def test_a_shape_has_no_ids(address: str, shape: str) -> None:
    assert shape_of("GET", address) == shape


IDS = st.from_regex(r"\A[A-Za-z0-9.\-]{1,64}\Z")


@given(st.sampled_from(["Patient", "ImagingStudy"]), IDS, st.text(max_size=20))
def test_no_id_and_no_value_is_noted(kind: str, one_id: str, value: str) -> None:
    assert shape_of("GET", f"/fhir/r4/{kind}/{one_id}") == f"GET {kind}/{{id}}"
    query = urlencode([("name", value), ("birthdate", value)])
    assert shape_of("GET", f"/fhir/r4/{kind}?{query}") == f"GET {kind}?name&birthdate"
