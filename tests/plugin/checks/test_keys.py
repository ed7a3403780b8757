"""Keys that are fetched: Wetread's own and the EHR's for CDS Hooks; why they do not come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.checks import Result
from plugin.checks.jwks import check_caller_keys, check_jwks
from plugin.ehrs import EhrRegistry
from plugin.services import Services
from tests.orthanc.server import free_port
from tests.plugin.checks.conftest import json_reply
from tests.plugin.reading.conftest import make_ehr
from tests.plugin.reading.hospital import Hospital, Reply


def keys_at(services: Services, hospital: Hospital, origin: str) -> list[Result]:
    """Check a Wetread whose own keys and whose EHR's CDS keys lie at one origin."""
    address = f"{origin}/.well-known/jwks.json"
    ehr = make_ehr(
        hospital,
        authentication="private_key",
        cds_issuer=hospital.issuer,
        cds_jwks_url=address,
    )
    settings = replace(services.settings, base_url=origin)
    looked = replace(services, settings=settings, ehrs=EhrRegistry((ehr,)))
    return [one for one in (*check_jwks(looked), *check_caller_keys(looked, ehr)) if one.remedy]


def test_where_nothing_listens_the_connection_is_named(
    services: Services, hospital: Hospital
) -> None:
    results = keys_at(services, hospital, f"http://127.0.0.1:{free_port()}")
    assert [one.code for one in results] == ["jwks", "cds_keys"]
    assert all("refuses connections" in one.text for one in results)
    assert all("Check the port" in str(one.remedy) for one in results)


def test_a_redirect_is_named_with_its_target(services: Services, hospital: Hospital) -> None:
    moved = Reply(302, b"", {"Location": "https://elsewhere.example/keys"})
    hospital.trick("GET", "jwks.json$", moved)
    results = keys_at(services, hospital, hospital.origin)
    assert len(results) == 2
    assert all("it redirects to https://elsewhere.example/keys" in one.text for one in results)


@pytest.mark.parametrize("status", [404, 500])
def test_an_answer_that_is_an_error_is_told_from_none(
    services: Services, hospital: Hospital, status: int
) -> None:
    hospital.trick("GET", "jwks.json$", json_reply({}, status))
    results = keys_at(services, hospital, hospital.origin)
    assert len(results) == 2
    assert not any("connections" in one.text for one in results)
    assert all(str(status) in one.text for one in results)
