"""Every example of `fhir_examples` is taken by a server that validates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fhir_examples
from tests.hapi.chart import Chart

pytestmark = pytest.mark.integration
FILES = sorted(Path(fhir_examples.__file__).parent.glob("*/*.json"))
# What is referred to must be there first: HAPI checks references.
ORDER = (
    "Patient",
    "Practitioner",
    "Encounter",
    "Endpoint",
    "ImagingStudy",
    "Observation",
    "DiagnosticReport",
    "Provenance",
)


def examples() -> list[tuple[str, dict[str, Any]]]:
    named = [(f"{path.parent.name}/{path.stem}", json.loads(path.read_text())) for path in FILES]
    return sorted(named, key=lambda one: ORDER.index(one[1]["resourceType"]))


@pytest.mark.parametrize(("name", "resource"), examples(), ids=lambda value: str(value)[:60])
def test_the_example_loads_and_validates(chart: Chart, name: str, resource: dict[str, Any]) -> None:
    stored = chart.put(resource)
    assert (stored["resourceType"], stored["id"]) == (resource["resourceType"], resource["id"])
    assert chart.complaints(resource) == []
