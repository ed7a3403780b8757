"""Searches as HAPI answers them: page by page, and from memory where nobody objects."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import requests

from smart_launch.fhir_client import FhirClient
from tests.hapi.chart import FHIR_JSON, Chart, Resource
from tests.hapi.clinic import Clinic
from tests.hapi.conftest import LARGEST_PAGE
from tests.hapi.proxy import Proxy

pytestmark = pytest.mark.integration
STUDIES = 120


def many_studies(patient: str) -> list[Resource]:
    """Studies that differ in day and number."""
    return [
        {
            "resourceType": "ImagingStudy",
            "id": f"{patient}-study-no-{number:03}",
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uuid4().int >> 64}.1"}],
            "status": "available",
            "subject": {"reference": f"Patient/{patient}"},
            "started": f"20{number // 12:02}-{number % 12 + 1:02}-01",
        }
        for number in range(STUDIES)
    ]


@pytest.mark.slow
def test_all_120_studies_of_a_patient_are_listed_each_once(
    clinic: Clinic, chart: Chart, proxy: Proxy
) -> None:
    patient = clinic.patients[0]
    ids = [chart.put(study)["id"] for study in many_studies(patient)]
    handle = clinic.clinician.launch(patient)
    proxy.requests.clear()
    listed = [
        study["id"] for study in clinic.clinician.ask("GET", "/api/studies", handle)["studies"]
    ]
    assert len(listed) == STUDIES + 1  # the picture's own study
    assert set(ids) < set(listed)
    assert len(set(listed)) == len(listed)
    pages = [line for line in proxy.requests if "_getpages=" in line]
    assert len(pages) >= STUDIES // LARGEST_PAGE


def observation(patient: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "code": {"text": "probe"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def total(answer: requests.Response) -> int:
    return len(answer.json().get("entry", []))


def test_what_was_just_written_is_found_though_hapi_would_answer_from_memory(chart: Chart) -> None:
    patient = f"cache-{uuid4()}"
    chart.put({"resourceType": "Patient", "id": patient})
    query: dict[str, Any] = {"subject": f"Patient/{patient}"}
    client = FhirClient(chart.url, "no token is needed")
    address, accept = f"{chart.url}/Observation", {"Accept": FHIR_JSON}
    assert list(client.search("Observation", query)) == []
    assert total(requests.get(address, query, headers=accept, timeout=30)) == 0
    client.create(observation(patient))
    # Why `Cache-Control: no-cache` is sent: without it HAPI repeats its last answer for a minute.
    assert total(requests.get(address, query, headers=accept, timeout=30)) == 0
    assert len(list(client.search("Observation", query))) == 1
