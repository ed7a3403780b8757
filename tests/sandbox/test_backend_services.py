"""Clients that nobody signs in to (SMART 2.2, "Backend Services"; RFC 6749 4.4)."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from sandbox.launches import UnknownClientError, mint
from sandbox.server import RunningSandbox
from tests.sandbox.conftest import BACKEND_SCOPES
from tests.sandbox.patience import let_time_pass
from tests.sandbox.smart_client import FhirSession, SmartClient, observation
from tests.sandbox.test_client_authentication import ASSERTION_TYPE, assertion_for, introspect
from tests.sandbox.test_fhir_bundles import bundle, post


@pytest.fixture
def backend(hospital: RunningSandbox) -> SmartClient:
    return SmartClient(hospital, "backend")


def ask(
    client: SmartClient, scope: str | None = BACKEND_SCOPES, **changes: str | None
) -> requests.Response:
    right: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
    }
    if "client_assertion" not in changes:
        right["client_assertion"] = assertion_for(client)
    return client.token({k: v for k, v in {**right, **changes}.items() if v is not None})


def session(client: SmartClient, scope: str = BACKEND_SCOPES) -> FhirSession:
    return FhirSession(client.hospital, ask(client, scope).json()["access_token"])


def refusal(response: requests.Response) -> str:
    assert response.status_code in (400, 401), response.text
    assert "access_token" not in response.json()
    return response.json()["error"]


def test_backend_gets_a_short_token_and_nothing_of_a_launch(backend: SmartClient) -> None:
    answer = ask(backend).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer["scope"] == BACKEND_SCOPES
    assert answer["expires_in"] <= 300


def test_backend_token_runs_out(backend: SmartClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fhir = session(backend)
    assert fhir.get("/Patient/clark-dan").status_code == 200
    let_time_pass(monkeypatch, backend.hospital.settings.backend_token_s + 1)
    assert fhir.get("/Patient/clark-dan").status_code == 401


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        (None, "invalid_scope"),
        ("", "invalid_scope"),
        ("system/Patient.rs", "invalid_scope"),
        ("system/*.r", "invalid_scope"),
        ("system/Patient.r system/Condition.r", "invalid_scope"),
        ("patient/Patient.r", "invalid_scope"),
        ("system/Patient.r openid", "invalid_scope"),
        ("system/Patient.r?x=1", "invalid_scope"),
        ('system/Patient.r "', "invalid_scope"),
    ],
)
def test_scopes_beyond_the_registered_ones_are_refused(
    backend: SmartClient, scope: str | None, error: str
) -> None:
    assert refusal(ask(backend, scope)) == error


def test_fewer_scopes_than_registered_are_what_is_granted(backend: SmartClient) -> None:
    fhir = session(backend, "system/ImagingStudy.r")
    assert fhir.get("/ImagingStudy/mayer-rosa-ct").status_code == 200
    assert fhir.get("/ImagingStudy").status_code == 403
    assert fhir.get("/Patient/mayer-rosa").status_code == 403


def test_used_assertion_is_refused(backend: SmartClient) -> None:
    assertion = assertion_for(backend)
    assert ask(backend, client_assertion=assertion).status_code == 200
    assert refusal(ask(backend, client_assertion=assertion)) == "invalid_client"


def test_only_a_registered_backend_may_come_so(
    backend: SmartClient, client: SmartClient, hospital: RunningSandbox
) -> None:
    assert refusal(ask(SmartClient(hospital, "with-keys"))) == "unauthorized_client"
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}
    assert refusal(client.token({**form, "client_id": "wetread"})) == "unauthorized_client"
    assert refusal(client.token({**form, "client_id": "backend"})) == "invalid_client"
    for kind in ("authorization_code", "refresh_token"):
        assert refusal(ask(backend, grant_type=kind)) == "unauthorized_client"


def test_backend_can_neither_be_opened_nor_sign_anybody_in(
    backend: SmartClient, hospital: RunningSandbox
) -> None:
    with hospital.app.app_context(), pytest.raises(UnknownClientError):
        mint("backend", "clark-dan")
    assert backend.authorize(launch="x").status_code == 400


def test_people_are_never_given_system_scopes(hospital: RunningSandbox) -> None:
    client = SmartClient(hospital, "everything")
    response = client.authorize(scope="launch system/Patient.r")
    assert "error=invalid_scope" in response.headers["Location"]


def test_system_scopes_know_no_patient_and_hold_type_and_letter(backend: SmartClient) -> None:
    fhir = session(backend)
    for patient in ("clark-dan", "mayer-rosa"):
        assert fhir.get(f"/Patient/{patient}").status_code == 200
    assert len(fhir.ids("/ImagingStudy")) > 1
    made = fhir.send("POST", "/Observation", observation("mayer-rosa"))
    assert made.status_code == 201
    assert fhir.get("/Patient?_id=clark-dan").status_code == 403
    assert fhir.get("/Encounter/clark-dan-visit").status_code == 403
    assert fhir.get("/ImagingStudy?_include=ImagingStudy:encounter").status_code == 403
    change = {"resourceType": "Patient", "id": "clark-dan"}
    assert fhir.send("PUT", "/Patient/clark-dan", change).status_code == 403
    foreign = {"resourceType": "Condition", "subject": {"reference": "Patient/clark-dan"}}
    entries = bundle(post(observation("mayer-rosa")), post(foreign))
    assert fhir.send("POST", "", entries).status_code == 403


def task(**more: Any) -> dict[str, Any]:
    owner = {"for": {"reference": "Patient/mayer-rosa"}}
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        **owner,
        **more,
    }


def test_backend_keeps_a_worklist(backend: SmartClient) -> None:
    fhir = session(backend)
    made = fhir.send("POST", "/Task", task()).json()
    changed = task(id=made["id"], status="completed")
    assert fhir.send("PUT", f"/Task/{made['id']}", changed).status_code == 200
    assert made["id"] in fhir.ids("/Task?status=completed&patient=mayer-rosa")


def test_introspection_says_what_a_backend_token_is(backend: SmartClient) -> None:
    token = ask(backend).json()["access_token"]
    found = introspect(backend, token)
    assert (found["active"], found["client_id"], found["sub"]) == (True, "backend", "backend")
    assert found["scope"] == BACKEND_SCOPES
    assert time.time() < found["exp"] <= time.time() + 301
    assert not found.keys() & {"patient", "fhirUser"}
    other = SmartClient(backend.hospital, "with-keys")
    assert introspect(other, token) == {"active": False}


def test_revoked_backend_token_is_over(backend: SmartClient) -> None:
    fhir = session(backend)
    form = {
        "token": fhir.access_token,
        "client_assertion": assertion_for(backend),
        "client_assertion_type": ASSERTION_TYPE,
    }
    address = f"{backend.hospital.base_url}/auth/revoke"
    assert requests.post(address, data=form, timeout=10).status_code == 200
    assert fhir.get("/Patient/clark-dan").status_code == 401
    assert introspect(backend, fhir.access_token) == {"active": False}


def test_metadata_offers_backend_services(hospital: RunningSandbox) -> None:
    address = f"{hospital.fhir_base}/.well-known/smart-configuration"
    found = requests.get(address, timeout=10).json()
    assert "client_credentials" in found["grant_types_supported"]
    assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
    assert found["introspection_endpoint"].startswith(hospital.base_url)
    assert any(scope.startswith("system/") for scope in found["scopes_supported"])
