"""Tokens for reading without a user: kept in memory, for one EHR, until short of their end."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from plugin.ehr_table import read_ehr
from plugin.ehrs import Ehr, EhrRegistry
from plugin.errors import EhrUnknown, SettingsError
from plugin.launching.backend_tokens import BackendTokens, UnattendedDenied
from plugin.record import Record
from plugin.scopes import BACKEND_SCOPES
from plugin.services import Services
from smart_launch.errors import TokenRejected
from tests.plugin.launch.conftest import BASE_URL, make_ehr
from tests.plugin.launch.hospital import Hospital
from tests.smart_launch.loopback import Says, running_server

PATIENT = {"resourceType": "Patient", "id": "p-1"}


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(services: Services, hospital: Hospital, clock: Clock) -> BackendTokens:
    hospital.behaviour.expires_in = 300
    ehrs = EhrRegistry(
        [
            make_ehr(hospital, backend_client_id="wetread-backend"),
            make_ehr(hospital, "south", issuer="http://127.0.0.1:9/fhir"),
        ]
    )
    return BackendTokens(
        ehrs,
        services.http,
        services.configurations,
        services.keys.signing,
        services.settings.jwks_url,
        clock,
    )


def requests_of(hospital: Hospital) -> list[dict[str, str]]:
    return [form for _, path, form in hospital.requests if path == "/token"]


def test_one_token_serves_until_a_minute_before_its_end(
    tokens: BackendTokens, hospital: Hospital, clock: Clock
) -> None:
    first = tokens.access_token("north")
    clock.now += 239
    assert tokens.access_token("north") == first
    clock.now += 2
    second = tokens.access_token("north")
    assert second != first
    assert [form["grant_type"] for form in requests_of(hospital)] == ["client_credentials"] * 2
    assert requests_of(hospital)[0]["scope"].split() == list(BACKEND_SCOPES)


def test_a_short_token_is_used_for_three_quarters_of_its_life(
    tokens: BackendTokens, hospital: Hospital, clock: Clock
) -> None:
    hospital.behaviour.expires_in = 4
    first = tokens.access_token("north")
    clock.now += 2.9
    assert tokens.access_token("north") == first
    clock.now += 0.2
    assert tokens.access_token("north") != first


def test_a_rejected_token_is_not_given_again(tokens: BackendTokens, hospital: Hospital) -> None:
    first = tokens.access_token("north")
    second = tokens.access_token("north", rejected=first)
    assert second != first
    # Another caller heard of the same refusal later: the new token is not thrown away for it.
    assert tokens.access_token("north", rejected=first) == second
    assert len(requests_of(hospital)) == 2


def test_many_callers_ask_the_hospital_once(tokens: BackendTokens, hospital: Hospital) -> None:
    given: list[str] = []
    start = threading.Barrier(6)

    def ask() -> None:
        start.wait()
        given.append(tokens.access_token("north"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 6
    assert len(set(given)) == 1
    assert len(requests_of(hospital)) == 1


def test_what_was_not_granted_is_told(tokens: BackendTokens, hospital: Hospital) -> None:
    hospital.behaviour.backend = {"scope": "system/Patient.r system/ImagingStudy.rs"}
    token = tokens.token("north")
    assert token.granted == ("system/Patient.r", "system/ImagingStudy.rs")
    assert token.missing[0].scope == "system/Endpoint.r"
    assert token.held.access not in repr(token)


def test_a_refusal_is_raised_each_time_and_nothing_is_kept(
    tokens: BackendTokens, hospital: Hospital
) -> None:
    hospital.behaviour.backend = {"error": "invalid_client"}
    hospital.behaviour.backend_status = 401
    for _ in range(2):
        with pytest.raises(TokenRejected, match="invalid_client"):
            tokens.access_token("north")
    hospital.behaviour.backend, hospital.behaviour.backend_status = {}, 200
    assert tokens.access_token("north")


def test_an_ehr_without_a_backend_client_is_refused_and_not_asked(
    tokens: BackendTokens, hospital: Hospital
) -> None:
    with pytest.raises(UnattendedDenied):
        tokens.access_token("south")
    with pytest.raises(EhrUnknown):
        tokens.access_token("nowhere")
    assert requests_of(hospital) == []


def test_no_token_is_written_to_the_data_folder(tokens: BackendTokens, services: Services) -> None:
    token = tokens.access_token("north").encode()
    files = [path for path in Path(services.settings.data_dir).rglob("*") if path.is_file()]
    assert files
    assert not any(token in path.read_bytes() for path in files)


def test_a_record_asks_with_the_backend_token_and_renews_a_refused_one_once(
    tokens: BackendTokens, hospital: Hospital, services: Services
) -> None:
    with running_server() as server:
        server.says("GET", "/fhir/Patient/p-1", Says(401), Says(body=PATIENT))
        record = Record(tokens, "north", f"{server.url}/fhir", services.http)
        assert record.read("Patient", "p-1") == PATIENT
        sent = [asked.headers["Authorization"] for asked in server.asked]
    assert len(set(sent)) == 2
    assert sent[1] == f"Bearer {tokens.access_token('north')}"
    assert len(requests_of(hospital)) == 2


def table(**changes: Any) -> dict[str, Any]:
    values = {"id": "north", "name": "N", "issuer": "https://n.example/fhir", "client_id": "w"}
    return values | changes


def test_registration_of_the_backend_client_is_its_own() -> None:
    given = table(
        backend_client_id="wetread-backend",
        authentication="secret",
        client_secret="s",
        signing_algorithm="RS384",
        send_jwks_url=True,
        backend_scopes="system/Patient.r system/ImagingStudy.rs",
    )
    found = read_ehr(given, BASE_URL, {}).backend_registration(f"{BASE_URL}/jwks.json")
    assert found is not None
    assert (found.client_id, found.authentication) == ("wetread-backend", "private_key")
    assert found.scopes == ("system/Patient.r", "system/ImagingStudy.rs")
    assert found.client_secret is None
    assert (found.signing_algorithm, found.jwks_url) == ("RS384", f"{BASE_URL}/jwks.json")


@pytest.mark.parametrize("client_id", [None, ""])
def test_without_a_backend_client_there_is_no_registration(client_id: str | None) -> None:
    values = table() if client_id is None else table(backend_client_id=client_id)
    found: Ehr = read_ehr(values, BASE_URL, {})
    assert found.backend_registration() is None
    assert found.backend_scopes == BACKEND_SCOPES


@pytest.mark.parametrize("scopes", [[], ["patient/Patient.r"], ["system/Patient.r", "openid"]])
def test_backend_scopes_of_another_kind_stop_the_start(scopes: list[str]) -> None:
    with pytest.raises(SettingsError, match="backend_scopes"):
        read_ehr(table(backend_scopes=scopes), BASE_URL, {})
