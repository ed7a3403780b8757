"""The server itself: real, validating, and with a memory that outlives it."""

from __future__ import annotations

import pytest
import requests

from tests.hapi.server import Hapi

pytestmark = pytest.mark.integration


def test_it_is_a_validating_hapi(hapi: Hapi) -> None:
    metadata = requests.get(f"{hapi.url}/metadata?_summary=true", timeout=30).json()
    assert (metadata["software"]["name"], metadata["fhirVersion"]) == ("HAPI FHIR Server", "4.0.1")
    refused = requests.post(
        f"{hapi.url}/Patient",
        json={"resourceType": "Patient", "gender": "unheard-of"},
        headers={"Content-Type": "application/fhir+json"},
        timeout=30,
    )
    assert refused.status_code in (400, 422)
