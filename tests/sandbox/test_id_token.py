"""The id_token and the key set (OpenID Connect Core; SMART 2.2, "identity data")."""

from __future__ import annotations

import time
from pathlib import Path

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.authorization.keys import generate_signing_key, make_id_token, open_signing_key
from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import SmartClient


def keys_of(hospital: RunningSandbox) -> KeySet:
    response = requests.get(f"{hospital.base_url}/auth/jwks", timeout=10)
    assert "max-age" in response.headers["Cache-Control"]
    assert "d" not in response.json()["keys"][0]
    return KeySet.import_key_set(response.json())


def test_id_token_says_who_signed_in(client: SmartClient) -> None:
    token = client.launch()["id_token"]
    found = jwt.decode(token, keys_of(client.hospital), algorithms=["ES256"])
    assert found.header["kid"]
    assert found.claims["iss"] == client.hospital.fhir_base
    assert found.claims["aud"] == "wetread"
    assert found.claims["nonce"] == "n-1"
    assert found.claims["sub"] == "demo-radiologist"
    assert found.claims["fhirUser"] == (
        f"{client.hospital.fhir_base}/Practitioner/demo-radiologist"
    )
    assert found.claims["iat"] <= time.time() < found.claims["exp"]


def test_no_id_token_without_openid_and_no_user_without_fhir_user(client: SmartClient) -> None:
    assert "id_token" not in client.launch(scope="launch fhirUser patient/Patient.r")
    token = client.launch(scope="launch openid patient/Patient.r")["id_token"]
    claims = jwt.decode(token, keys_of(client.hospital), algorithms=["ES256"]).claims
    assert "fhirUser" not in claims


def test_key_outlives_a_restart_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = open_signing_key(tmp_path / "key.json")
    assert open_signing_key(tmp_path / "key.json").kid == first.kid
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0


def test_rsa_key_signs_too() -> None:
    key = generate_signing_key("RS256")
    token = make_id_token(
        key, issuer="i", client_id="c", subject="Patient/p", fhir_user=None, nonce=None
    )
    keys = KeySet.import_key_set(key.public_jwks())
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims["sub"] == "p"


def test_openid_discovery_beside_the_issuer(hospital: RunningSandbox) -> None:
    address = f"{hospital.fhir_base}/.well-known/openid-configuration"
    found = requests.get(address, timeout=10).json()
    assert found["issuer"] == hospital.fhir_base
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]
