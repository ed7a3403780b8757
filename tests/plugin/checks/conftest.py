"""The hospital of the reading tests, one launch open, and what `wetread check` says about them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.checks import Result
from plugin.checks.ehr import check_ehr
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.launch.conftest import secret_keys  # noqa: F401 (a fixture)
from tests.plugin.reading.conftest import (  # noqa: F401 (fixtures)
    ehr_changes,
    hospital,
    make_ehr,
    migrated,
    open_launch,
    services,
)
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


@pytest.fixture
def settings(
    hospital: Hospital,  # noqa: F811
    tmp_path: Path,
    ehr_changes: dict[str, Any],  # noqa: F811
    migrated: Path,  # noqa: F811
    secret_keys: str,  # noqa: F811
) -> Settings:
    """One EHR; the keys are the session's, since making them takes longer than a test."""
    data = tmp_path / "wetread"
    data.mkdir(mode=0o700)
    shutil.copy(migrated, data / "wetread.sqlite3")
    return Settings(
        base_url="http://127.0.0.1:8081",
        data_dir=data,
        secret_keys=secret_keys,
        ehrs=(make_ehr(hospital, **ehr_changes),),
        http_timeout_s=1.0,
    )


@pytest.fixture
def furnished(hospital: Hospital) -> Hospital:  # noqa: F811
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
def look(services: Services) -> Look:  # noqa: F811
    """Check the only EHR, with a launch open unless told otherwise."""

    def looked(*, launched: bool = True, **launch: Any) -> list[Result]:
        if launched:
            open_launch(services, **launch)
        results = list(check_ehr(services, services.settings.ehrs[0]))
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
