"""Whole launches of the application at the strict demo hospital, read on the wire.

The demo hospital shares no code with the application, fetches its keys from the address that was
registered, and refuses every mistake of a client: docs/smart-conformance.md.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from joserfc import jws

from plugin.ehrs import Ehr
from plugin.launching.keys import SecretKeys
from plugin.record import record_of
from smart_launch.client_keys import KeySet
from tests.plugin.launch.wetread_at_sandbox import SECRET, Sent, WetreadAtSandbox

pytestmark = pytest.mark.integration

PATIENT = "clark-dan"


@pytest.fixture(scope="module")
def keys() -> SecretKeys:
    return replace(SecretKeys.generate(), signing=KeySet.generate("ES384", "RS384"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, keys: SecretKeys) -> Iterator[WetreadAtSandbox]:
    with WetreadAtSandbox(tmp_path_factory.mktemp("house"), keys).running() as running:
        yield running


@pytest.fixture
def at(house: WetreadAtSandbox, keys: SecretKeys, registered: dict[str, Any]) -> WetreadAtSandbox:
    """The hospital, and a Wetread registered there in one way, with nothing sent yet."""
    house.services.database.close()
    house.start(keys, **registered)
    house.wire.sent.clear()
    return house


PUBLIC = {"client_id": "wetread-public", "authentication": "public", "send_jwks_url": False}
KINDS = pytest.mark.parametrize(
    "registered",
    [
        PUBLIC,
        PUBLIC
        | {"client_id": "wetread-secret", "authentication": "secret", "client_secret": SECRET},
        {"send_jwks_url": False},
        {"signing_algorithm": "RS384"},
        {"send_nonce": False},
    ],
    ids=["public", "secret", "ES384", "RS384 with jku", "without nonce"],
)


def reads(at: WetreadAtSandbox, token: str) -> int:
    address = f"{at.hospital.fhir_base}/Patient/{PATIENT}"
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(address, headers=headers, timeout=10).status_code


@KINDS
def test_the_application_launches_renews_and_ends_as_each_kind_of_client(
    at: WetreadAtSandbox,
) -> None:
    handle = at.open()
    launch, tokens = at.services.launches.by_handle(handle), at.services.tokens
    assert (launch.context.patient, launch.missing) == (PATIENT, ())
    first = tokens.access_token(launch.id)
    assert record_of(at.services, launch).read("Patient", PATIENT)["id"] == PATIENT
    second = tokens.access_token(launch.id, rejected=first)
    assert reads(at, second) == 200
    end = f"{at.base_url}/api/launch/end"
    assert requests.post(end, headers={"Wetread-Handle": handle}, timeout=10).ok
    # The hospital itself says that the sign-in is over, for both access tokens.
    assert (reads(at, first), reads(at, second)) == (401, 401)
    check_authorization(at)
    check_token_requests(at)


def sent_to(at: WetreadAtSandbox, ending: str) -> list[Sent]:
    return [sent for sent in at.wire.sent if sent.path.endswith(ending)]


def check_authorization(at: WetreadAtSandbox) -> None:
    """Compare discovery and authorization request with what SMART asks for."""
    (discovery,) = sent_to(at, "/.well-known/smart-configuration")
    assert (discovery.method, discovery.accept) == ("GET", "application/json")
    (authorize,) = sent_to(at, "/authorize")
    assert authorize.method == "GET"
    expected = {
        "response_type": "code",
        "client_id": at.ehr.client_id,
        "aud": at.hospital.fhir_base,
        "redirect_uri": f"{at.base_url}/callback/north",
        "code_challenge_method": "S256",
    }
    assert expected.items() <= authorize.query.items()
    assert {"launch", "scope", "state", "code_challenge"} <= authorize.query.keys()
    assert ("nonce" in authorize.query) is at.ehr.send_nonce
    assert not {"max_age", "auth_time", "prompt"} & authorize.query.keys()


def check_token_requests(at: WetreadAtSandbox) -> None:
    """Compare everything that was posted with what SMART asks for."""
    code, renewal = sent_to(at, "/token")
    assert code.form["grant_type"] == "authorization_code"
    assert code.form["redirect_uri"] == f"{at.base_url}/callback/north"
    assert renewal.form["grant_type"] == "refresh_token"
    assert "scope" not in renewal.form
    revocations = sent_to(at, "/revoke")
    assert {one.form["token_type_hint"] for one in revocations} == {"refresh_token", "access_token"}
    # A public client proves nothing, so it has no say at the introspection endpoint.
    introspections = sent_to(at, "/introspect")
    assert len(introspections) == (0 if at.ehr.authentication == "public" else 1)
    for sent in (code, renewal, *introspections, *revocations):
        assert (sent.method, sent.query) == ("POST", {})
        check_proof(at.ehr, f"{at.base_url}/.well-known/jwks.json", sent)


def check_proof(ehr: Ehr, jwks_url: str, sent: Sent) -> None:
    """Compare how the client proves itself with its registration; every other way is absent."""
    public, secret = ehr.authentication == "public", ehr.authentication == "secret"
    assert sent.form.get("client_id") == (ehr.client_id if public else None)
    assert "client_secret" not in sent.form
    assert bool(sent.authorization) is secret
    if sent.authorization:
        pair = base64.b64decode(sent.authorization.removeprefix("Basic ")).decode()
        assert pair == "wetread-secret:s%3Ae%2Fc+r%26e%2Bt%25"
    assert ("client_assertion" in sent.form) is (ehr.authentication == "private_key")
    if "client_assertion" in sent.form:
        header = jws.extract_compact(sent.form["client_assertion"].encode()).headers()
        assert header.get("jku") == (jwks_url if ehr.send_jwks_url else None)
        assert (header["alg"], header["typ"]) == (ehr.signing_algorithm, "JWT")


@pytest.mark.parametrize("registered", [PUBLIC], ids=["public"])
def test_an_intent_that_is_unknown_opens_the_page_that_opens_without_one(
    at: WetreadAtSandbox,
) -> None:
    told = []
    for intent in (None, "make-coffee", "<script>alert(1)</script>"):
        headers = {"Wetread-Handle": at.open(intent=intent)}
        answer = requests.get(f"{at.base_url}/api/launch", headers=headers, timeout=10)
        assert answer.status_code == 200
        told.append(answer.json())
    intents = [one.pop("intent") for one in told]
    assert intents[0] is None
    assert told[0] == told[1] == told[2]
    assert told[0]["study"] is None
