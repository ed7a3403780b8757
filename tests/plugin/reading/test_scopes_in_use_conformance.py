"""A reading uses what its scopes allow, all of it and no more: docs/smart-conformance.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from plugin.ehrs import EhrRegistry
from plugin.imaging.studies import list_studies
from plugin.readings import DONE
from plugin.scopes import DEFAULT_SCOPES
from plugin.services import Services
from plugin.workbench import Workshop
from smart_launch.scopes import parse
from tests.plugin.reading.conftest import MODES, Jobs, make_ehr, open_launch
from tests.plugin.reading.hospital import Hospital, Request

pytestmark = pytest.mark.integration

Use = tuple[str, str]
OURS = ("DiagnosticReport", "Observation", "Provenance")
ALLOWED = {
    (scope.resource, letter)
    for scope in map(parse, DEFAULT_SCOPES)
    if scope is not None
    for letter in scope.access
}


def uses(request: Request) -> Iterator[Use]:
    """Kinds of entry and letters that a FHIR request needs (SMART: scopes for FHIR resources)."""
    path = request.path.removeprefix("/fhir").strip("/")
    if request.method == "BATCH":
        return  # its entries are noted as requests of their own
    if request.method == "POST" and not path:
        for entry in request.json()["entry"]:
            yield from one(entry["request"]["method"], entry["request"]["url"])
    else:
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        yield from one(request.method, f"{path}?{query}")


INCLUDED = {"endpoint": "Endpoint", "result": "Observation", "patient": "Patient"}


def one(method: str, address: str) -> Iterator[Use]:
    place, _, query = address.partition("?")
    kind, *rest = place.split("/")
    if method == "GET":
        yield kind, "r" if rest else "s"
    else:
        yield kind, {"POST": "c", "PUT": "u"}[method]
    # What a search brings along must be readable too.
    for included in re.findall(r"_include=([^&]+)", query):
        for parameter in re.findall(r"\w+(?::|%3A)([\w-]+)", included):
            yield INCLUDED[parameter], "r"


def used_in(hospital: Hospital) -> set[Use]:
    asked = [r for r in hospital.requests if r.path == "/fhir" or r.path.startswith("/fhir/")]
    asked = [request for request in asked if "/.well-known/" not in request.path]
    assert asked
    return {use for request in asked for use in uses(request)}


def read_once(services: Services, shop: Workshop, jobs: Jobs) -> None:
    """List the studies as the page does, read one, and read it again."""
    launch = services.launches.get(open_launch(services)[0])
    bench = shop.bench_for(launch, "study-1")
    assert list_studies(bench.record, "clark-dan", bench.archives, {"CR"})
    for _ in range(2):
        assert jobs.read(launch).state == DONE


@MODES
def test_a_reading_uses_no_more_than_it_asked_for(
    services: Services, shop: Workshop, jobs: Jobs, hospital: Hospital, ehr_changes: dict[str, Any]
) -> None:
    read_once(services, shop, jobs)
    assert used_in(hospital) <= ALLOWED


def test_a_reading_uses_all_that_it_asked_for(
    services: Services, shop: Workshop, jobs: Jobs, hospital: Hospital
) -> None:
    for mode in ("transaction-put", "put", "create"):
        services.launches.ehrs = EhrRegistry([make_ehr(hospital, write=mode)])
        for place in [place for place in hospital.resources if place.startswith(OURS)]:
            del hospital.resources[place]
        read_once(services, shop, jobs)
    assert used_in(hospital) == ALLOWED
