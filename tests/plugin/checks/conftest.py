"""The hospital of the reading tests, one launch open, and what `wetread check` says about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete

from plugin.checks import Result
from plugin.checks.ehr import check_ehr
from plugin.ehrs import EhrRegistry
from plugin.launching.launches import Launch
from plugin.services import Services, build_services
from plugin.settings import Settings
from smart_launch.http import Http, HttpLimits
from tests.plugin.launch.conftest import secret_keys  # noqa: F401 (a fixture)
from tests.plugin.reading.conftest import furnish, make_ehr, open_launch
from tests.plugin.reading.hospital import Hospital, Reply, fhir
from tests.plugin.reading.samples import IMAGE_UID, SERIES_UID, STUDY_UID

METADATA = rf"/dicomweb/studies/{STUDY_UID}/series/{SERIES_UID}/instances/{IMAGE_UID}/metadata$"
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "transaction"}],
            "resource": [
                {
                    "type": kind,
                    "interaction": [{"code": "create"}, {"code": "update"}],
                    "updateCreate": True,
                    "conditionalCreate": True,
                }
                for kind in ("DiagnosticReport", "Observation")
            ],
        }
    ],
}
# Nobody may read any of this in the output.
SECRETS = ("CLARK", "Clark", "H-1001", "1930", "token-0", "clark-dan")

Look = Callable[..., list[Result]]


def json_reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def header(**changes: Any) -> dict[str, Any]:
    """An image's header as an archive describes it (PS3.18 F.2)."""
    values = {
        "00100020": "H-1001",
        "00100021": "HOSPITAL",
        "00100030": "19301019",
        "00100040": "M",
        "0020000D": STUDY_UID,
    } | changes
    kept = {tag: value for tag, value in values.items() if value is not None}
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in kept.items()}


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    secret_keys: str,  # noqa: F811
) -> Iterator[tuple[Hospital, Services]]:
    """A hospital and a Wetread for the whole session: making them takes longer than a test."""
    with Hospital() as hospital:
        settings = Settings(
            base_url="http://127.0.0.1:8081",
            data_dir=tmp_path_factory.mktemp("wetread"),
            secret_keys=secret_keys,
            ehrs=(make_ehr(hospital),),
        )
        limits = HttpLimits(connect_s=1, read_s=1, total_s=2, backoff_s=0.01, retry_after_s=0.1)
        built = replace(build_services(settings), http=Http(limits))
        built.tokens.http = built.http
        yield hospital, built
        built.database.close()


@pytest.fixture
def hospital(running: tuple[Hospital, Services]) -> Hospital:
    """The hospital, correct again, with the sample patient and nothing counted."""
    found, _ = running
    for kept in (found.resources, found.history, found.images, found.tricks, found.requests):
        kept.clear()
    found.tokens, found.refresh_tokens = {"token-0"}, {"refresh-0"}
    furnish(found)
    return found


@pytest.fixture
def ehr_changes() -> dict[str, Any]:
    """What a test wants different about the EHR; override with parametrize."""
    return {}


@pytest.fixture
def services(
    hospital: Hospital, running: tuple[Hospital, Services], ehr_changes: dict[str, Any]
) -> Services:
    """Wetread with one EHR as the test wants it, and no launch."""
    _, built = running
    registry = EhrRegistry((make_ehr(hospital, **ehr_changes),))
    built.launches.ehrs = registry
    built.configurations.forget(hospital.issuer)
    with built.database.session() as session:
        session.execute(delete(Launch))
    return replace(built, ehrs=registry)


@pytest.fixture
def furnished(hospital: Hospital) -> Hospital:
    """A hospital that also describes itself, its images, and validates."""
    hospital.trick("GET", "/fhir/metadata$", fhir(200, STATEMENT))
    hospital.trick("GET", METADATA, json_reply([header()]))
    issue = [{"severity": "information", "code": "informational"}]
    good = fhir(200, {"resourceType": "OperationOutcome", "issue": issue})
    hospital.trick("POST", r"/fhir/\w+/\$validate$", good)
    hospital.trick("POST", "/token$", json_reply({"error": "invalid_grant"}, 400))
    hospital.trick("GET", "/authorize$", Reply(200, b"<html>"))
    hospital.trick("GET", "/fhir/Practitioner/p1$", fhir(200, PRACTITIONER))
    return hospital


PRACTITIONER = {"resourceType": "Practitioner", "id": "p1"}


@pytest.fixture
def look(services: Services) -> Look:
    """Check the only EHR, with a launch open unless told otherwise."""

    def looked(*, launched: bool = True, **launch: Any) -> list[Result]:
        if launched:
            open_launch(services, **launch)
        [ehr] = services.ehrs
        results = list(check_ehr(services, ehr))
        for result in results:
            assert bool(result.remedy) == (result.kind in ("warning", "failure")), result
            assert not any(secret in str(result) for secret in SECRETS), result
        return results

    return looked


def bad(results: list[Result]) -> dict[str, str]:
    """Code and text of what is not well."""
    return {one.code: one.text for one in results if one.kind in ("warning", "failure")}


def good(results: list[Result]) -> set[str]:
    return {one.code for one in results if one.kind == "ok"}
