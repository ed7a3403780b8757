"""The demo hospital's people and studies, from the scenarios in ``fhir_examples``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sandbox.errors import FhirProblem
from sandbox.fhir.elements import replace_prefix
from sandbox.fhir_backend import FhirBackend, Resource

# Scenarios whose records are there when the hospital opens. ``written_report`` is what a reading
# leaves, so it must not be there before one.
SCENARIOS = (
    "launch_with_one_chest_xray",
    "patient_with_several_studies",
    "study_without_images",
    "child_with_chest_xray",
)
# The address that the examples are written for.
EXAMPLE_BASE = "http://localhost:8080"


def read_scenario(name: str) -> list[Resource]:
    """Every resource of a scenario, in the order of its file names.

    Parameters
    ----------
    name : str
        A folder of ``fhir_examples``.
    """
    folder = files("fhir_examples") / name
    return [json.loads(file.read_text(encoding="utf-8")) for file in _json_files(folder)]


def demo_records() -> list[Resource]:
    """Every record of the hospital's scenarios, each once."""
    found: dict[tuple[str, str], Resource] = {}
    for name in SCENARIOS:
        for resource in read_scenario(name):
            found[resource["resourceType"], resource["id"]] = resource
    return list(found.values())


def load_demo_records(backend: FhirBackend, base_url: str) -> None:
    """Put the demo records where they are missing, in one transaction.

    Endpoints are always written: their address is this hospital's, which may have moved.

    Parameters
    ----------
    backend : FhirBackend
    base_url : str
        Takes the place of the examples' address.
    """
    records: Iterable[Any] = replace_prefix(demo_records(), EXAMPLE_BASE, base_url)
    wanted = [r for r in records if r["resourceType"] == "Endpoint" or not _exists(backend, r)]
    if wanted:
        backend.transaction(
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [_entry(resource, base_url) for resource in wanted],
            }
        )


def _entry(resource: Resource, base_url: str) -> dict[str, Any]:
    address = f"{resource['resourceType']}/{resource['id']}"
    return {
        # Servers that validate resolve relative references by it (HAPI answers 422 without).
        "fullUrl": f"{base_url}/fhir/r4/{address}",
        "resource": resource,
        "request": {"method": "PUT", "url": address},
    }


def _exists(backend: FhirBackend, resource: Resource) -> bool:
    try:
        backend.read(resource["resourceType"], resource["id"])
    except FhirProblem as error:
        if error.status in (404, 410):
            return False
        raise
    return True


def _json_files(folder: Traversable) -> Iterator[Traversable]:
    inside = (entry for entry in folder.iterdir() if entry.name.endswith(".json"))
    yield from sorted(inside, key=lambda entry: entry.name)
