"""What the demo tells its two sides of each other must fit, before either is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.demo.files import CLIENT_ID, DemoChoices, write_clients, write_configuration
from plugin.ehrs import Ehr
from plugin.scopes import BACKEND_SCOPES, DEFAULT_SCOPES
from plugin.settings import load_settings
from sandbox.clients import Client, read_clients
from sandbox.settings import SandboxSettings

CHOICES = DemoChoices(hospital_port=18080, plugin_port=18081)


@pytest.fixture
def clients(tmp_path: Path) -> dict[str, Client]:
    write_clients(tmp_path / "clients.json", CHOICES, " ".join(DEFAULT_SCOPES))
    return {client.client_id: client for client in read_clients(tmp_path / "clients.json")}


@pytest.fixture
def ehr(tmp_path: Path) -> Ehr:
    path = tmp_path / "wetread.toml"
    write_configuration(path, CHOICES, tmp_path / "data", tmp_path / "keys.json")
    (found,) = load_settings({}, path).ehrs
    return found


def test_launched_client_is_registered_as_wetread_says_it_is(
    clients: dict[str, Client], ehr: Ehr
) -> None:
    client = clients[CLIENT_ID]
    assert (ehr.client_id, ehr.authentication) == (client.client_id, client.type)
    assert client.redirect_uris == (ehr.redirect_uri,)
    assert set(ehr.scopes) <= set(client.scopes.split())
    assert client.cds_services_url == f"{CHOICES.plugin_url}/cds-services"


def test_backend_is_a_registration_of_its_own_with_its_scopes_alone(
    clients: dict[str, Client], ehr: Ehr
) -> None:
    backend = clients[ehr.backend_client_id or ""]
    assert not backend.interactive
    assert backend.jwks_url == clients[CLIENT_ID].jwks_url
    assert tuple(backend.scopes.split()) == ehr.backend_scopes == BACKEND_SCOPES
    assert not any(scope.startswith("system/") for scope in clients[CLIENT_ID].scopes.split())


def test_hospital_calls_cds_services_as_wetread_expects(tmp_path: Path, ehr: Ehr) -> None:
    hospital = SandboxSettings(tmp_path, port=CHOICES.hospital_port)
    assert (ehr.cds_issuer, ehr.cds_jwks_url) == (hospital.base_url, hospital.cds_jwks_url)
    assert ehr.issuer == hospital.fhir_base
