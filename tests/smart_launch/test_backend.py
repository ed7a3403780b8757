"""Backend services: a token of the app itself, against a strict server on loopback."""

from __future__ import annotations

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet as VerifyingKeys

from plugin.scopes import BACKEND_SCOPES
from smart_launch.backend import request_backend_token
from smart_launch.client_keys import KeySet
from smart_launch.discovery import fetch_configuration
from smart_launch.errors import RegistrationError, TokenRejected
from smart_launch.http import Http
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import missing_scopes
from smart_launch.token import TokenResponse
from tests.smart_launch.authorization_server import AuthorizationServer
from tests.smart_launch.launching import registered
from tests.smart_launch.loopback import Asked, Says

GIVEN = {"access_token": "backend-token", "token_type": "bearer", "expires_in": 300}


def backend(ehr: AuthorizationServer, **change: Any) -> ClientRegistration:
    fields = {"authentication": "private_key", "scopes": BACKEND_SCOPES, "client_id": "backend"}
    return registered(ehr, **fields | change)


def asked_for(
    http: Http, ehr: AuthorizationServer, keys: KeySet | None, says: Says, **change: Any
) -> TokenResponse:
    ehr.book.says("POST", "/token", says)
    configuration = fetch_configuration(http, ehr.base)
    scopes = change.pop("scopes", BACKEND_SCOPES)
    return request_backend_token(
        http, backend(ehr, **change), configuration, scopes=scopes, keys=keys
    )


def token_request(ehr: AuthorizationServer) -> Asked:
    (asked,) = ehr.book.asked_at("/token")
    return asked


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_request_is_the_one_of_the_specification(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, algorithm: str
) -> None:
    given = Says(body=GIVEN | {"scope": " ".join(BACKEND_SCOPES)})
    tokens = asked_for(http, ehr, our_keys, given, signing_algorithm=algorithm)
    assert (tokens.access_token, tokens.expires_in_s) == ("backend-token", 300)
    assert tokens.granted == BACKEND_SCOPES
    asked = token_request(ehr)
    assert set(asked.form) == {
        "grant_type", "scope", "client_assertion_type", "client_assertion"
    }  # fmt: skip
    assert asked.form["grant_type"] == "client_credentials"
    assert asked.form["scope"].split() == list(BACKEND_SCOPES)
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in asked.headers
    verifying = VerifyingKeys.import_key_set(our_keys.public_jwks())  # type: ignore[arg-type]
    proof = jwt.decode(asked.form["client_assertion"], verifying, algorithms=[algorithm])
    assert proof.header["kid"] == our_keys.signing_key(algorithm).kid
    assert proof.claims["iss"] == proof.claims["sub"] == "backend"
    assert proof.claims["aud"] == ehr.configuration["token_endpoint"]
    assert time.time() < proof.claims["exp"] <= time.time() + 300


def test_every_request_has_an_assertion_of_its_own(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    for _ in range(2):
        asked_for(http, ehr, our_keys, Says(body=GIVEN))
    first, second = (asked.form["client_assertion"] for asked in ehr.book.asked_at("/token"))
    assert first != second


def test_a_refresh_token_is_not_kept(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    extra = {"refresh_token": "never", "id_token": "a.b.c"}
    tokens = asked_for(http, ehr, our_keys, Says(body=GIVEN | extra))
    assert tokens.refresh_token is None
    assert tokens.id_token is None


def test_an_answer_without_scope_grants_what_was_asked_for(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    assert asked_for(http, ehr, our_keys, Says(body=GIVEN)).granted == BACKEND_SCOPES


def test_what_was_not_granted_is_told_and_what_was_not_asked_for_is_left_out(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    scope = "system/Patient.rs system/ImagingStudy.s user/Endpoint.r system/Medication.r openid"
    tokens = asked_for(http, ehr, our_keys, Says(body=GIVEN | {"scope": scope}))
    assert tokens.granted == ("system/Patient.rs", "system/ImagingStudy.s")
    missing = [entry.scope for entry in missing_scopes(BACKEND_SCOPES, tokens.granted)]
    assert missing[:2] == ["system/ImagingStudy.r", "system/Endpoint.r"]


def test_v1_scopes_and_wildcards_are_understood(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    scope = "system/*.read system/DiagnosticReport.write"
    tokens = asked_for(http, ehr, our_keys, Says(body=GIVEN | {"scope": scope}))
    lacking = {entry.scope for entry in missing_scopes(BACKEND_SCOPES, tokens.granted)}
    assert lacking == {"system/Observation.cu", "system/Task.cu", "system/Subscription.cud"}


def test_a_server_that_grants_nothing_useful_is_refused(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    with pytest.raises(TokenRejected) as caught:
        asked_for(http, ehr, our_keys, Says(body=GIVEN | {"scope": "patient/Patient.r"}))
    assert caught.value.code == "scopes_missing"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"authentication": "public"}, "backend_needs_private_key"),
        ({"authentication": "secret", "client_secret": "s"}, "backend_needs_private_key"),
        ({"scopes": ()}, "backend_scopes_invalid"),
        ({"scopes": ("patient/Patient.r",)}, "backend_scopes_invalid"),
        ({"scopes": (*BACKEND_SCOPES, "openid")}, "backend_scopes_invalid"),
    ],
)
def test_only_a_private_key_and_system_scopes_will_do(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, change: dict[str, Any], code: str
) -> None:
    scopes = change.pop("scopes", BACKEND_SCOPES)
    with pytest.raises(RegistrationError) as caught:
        asked_for(http, ehr, our_keys, Says(body=GIVEN), **change, scopes=scopes)
    assert caught.value.code == code
    assert ehr.book.asked_at("/token") == []


def test_without_keys_nothing_is_sent(http: Http, ehr: AuthorizationServer) -> None:
    with pytest.raises(RegistrationError, match="key_missing"):
        asked_for(http, ehr, None, Says(body=GIVEN))
    assert ehr.book.asked_at("/token") == []


@pytest.mark.parametrize(
    ("says", "code", "retryable"),
    [
        (Says(401, {"error": "invalid_client"}), "invalid_client", False),
        (Says(400, {"error": "invalid_scope"}), "invalid_scope", False),
        (Says(503, {}), "token_refused", True),
        (Says(body=GIVEN | {"token_type": "mac"}), "token_type_unknown", False),
    ],
)
def test_a_refusal_has_its_code(
    http: Http,
    ehr: AuthorizationServer,
    our_keys: KeySet,
    says: Says,
    code: str,
    retryable: bool,
) -> None:
    with pytest.raises(TokenRejected) as caught:
        asked_for(http, ehr, our_keys, says)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert len(ehr.book.asked_at("/token")) == 1
