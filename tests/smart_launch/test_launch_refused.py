"""Launches that must not succeed."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import OctKey

from smart_launch.errors import DiscoveryError, TokenRejected
from smart_launch.http import Http
from smart_launch.launch import begin_launch, finish_launch
from smart_launch.server_keys import ServerKeyCache
from tests.smart_launch.authorization_server import (
    AuthorizationServer,
    rsa_key,
)
from tests.smart_launch.launching import launched, refused, registered
from tests.smart_launch.loopback import Loopback, Says

# --- dishonest answers -----------------------------------------


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://evil.example"}, "issuer_mismatch"),
        ({"aud": "another-app"}, "audience_mismatch"),
        ({"nonce": "of-another-launch"}, "nonce_mismatch"),
        ({"nonce": None}, "nonce_mismatch"),
        ({"exp": 1_000_000}, "id_token_expired"),
        ({"iat": 4_000_000_000}, "id_token_from_future"),
        ({"azp": "another-app"}, "audience_mismatch"),
    ],
)
def test_an_id_token_with_a_wrong_claim_ends_the_launch(
    http: Http, ehr: AuthorizationServer, claims: dict[str, Any], code: str
) -> None:
    ehr.id_claims = claims
    refused(http, ehr, code)


def test_an_id_token_of_another_sign_in_ends_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    refused(http, ehr, "nonce_mismatch", nonce="of-this-launch")


def test_an_id_token_signed_by_somebody_else_ends_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.signing_key, ehr.id_header = rsa_key("foreign"), {"kid": "key-1"}
    refused(http, ehr, "signature_invalid")


def test_an_id_token_signed_with_a_shared_secret_ends_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.signing_key, ehr.algorithm = OctKey.generate_key(256), "HS256"
    ehr.published.append(ehr.signing_key.as_dict(private=True))
    refused(http, ehr, "algorithm_refused")


def test_an_unsigned_id_token_ends_the_launch(http: Http, ehr: AuthorizationServer) -> None:
    claims = ehr.id_token("n").split(".")[1]
    ehr.token_answer = {"id_token": f"eyJhbGciOiJub25lIn0.{claims}."}
    refused(http, ehr, "algorithm_refused")


# --- the server's keys -----------------------------------------


def test_the_servers_keys_are_kept_between_launches(http: Http, ehr: AuthorizationServer) -> None:
    cache = ServerKeyCache()
    launched(http, ehr, server_keys=cache)
    launched(http, ehr, server_keys=cache)
    assert len(ehr.book.asked_at("/jwks")) == 1


@pytest.mark.parametrize("header", [{}, {"kid": None}])
def test_keys_that_the_server_changed_are_fetched_once_again(
    http: Http, ehr: AuthorizationServer, header: dict[str, Any]
) -> None:
    cache = ServerKeyCache()
    launched(http, ehr, server_keys=cache)
    ehr.signing_key, ehr.id_header = rsa_key("key-2"), header
    ehr.published = [rsa_key("key-2").as_dict(private=False)]
    assert launched(http, ehr, server_keys=cache).identity is not None
    assert len(ehr.book.asked_at("/jwks")) == 2


def test_a_key_that_nobody_published_is_asked_for_only_once(
    http: Http, ehr: AuthorizationServer
) -> None:
    cache = ServerKeyCache()
    launched(http, ehr, server_keys=cache)
    ehr.signing_key = rsa_key("foreign")
    refused(http, ehr, "signature_invalid", server_keys=cache)
    assert len(ehr.book.asked_at("/jwks")) == 2


def test_kept_keys_grow_old(http: Http, ehr: AuthorizationServer) -> None:
    now_s = [0.0]
    cache = ServerKeyCache(lifetime_s=60, clock=lambda: now_s[0])
    launched(http, ehr, server_keys=cache)
    now_s[0] = 61
    launched(http, ehr, server_keys=cache)
    assert len(ehr.book.asked_at("/jwks")) == 2


@pytest.mark.parametrize("says", [Says(404), Says(500), Says(200, b"<html>"), Says(200, {})])
def test_without_the_servers_keys_there_is_no_launch(
    http: Http, ehr: AuthorizationServer, says: Says
) -> None:
    ehr.book.says("GET", "/jwks", says)
    with pytest.raises(DiscoveryError):
        launched(http, ehr)


# --- the token endpoint -----------------------------------------


def test_a_code_works_once(http: Http, ehr: AuthorizationServer) -> None:
    registration = registered(ehr)
    configuration, request = begin_launch(http, registration, launch="x")
    code, _ = ehr.authorize(request.url)
    answers = {"code": code, "code_verifier": request.code_verifier, "nonce": request.nonce}
    finish_launch(http, registration, configuration, **answers)
    with pytest.raises(TokenRejected, match="invalid_grant") as caught:
        finish_launch(http, registration, configuration, **answers)
    assert not caught.value.retryable


def test_another_pages_verifier_does_not_open_the_code(
    http: Http, ehr: AuthorizationServer
) -> None:
    registration = registered(ehr)
    configuration, request = begin_launch(http, registration, launch="x")
    other = begin_launch(http, registration, launch="y")[1]
    code, _ = ehr.authorize(request.url)
    with pytest.raises(TokenRejected, match="invalid_grant"):
        finish_launch(
            http, registration, configuration,
            code=code, code_verifier=other.code_verifier, nonce=request.nonce,
        )  # fmt: skip


def test_a_wrong_secret_is_named(http: Http, ehr: AuthorizationServer) -> None:
    ehr.secret = "right"
    registration = registered(ehr, authentication="secret", client_secret="wrong")
    error = refused(http, ehr, "invalid_client", registration=registration)
    assert "who is this" not in str(error)
    assert "wrong" not in str(error)


@pytest.mark.parametrize(
    ("says", "code", "retryable"),
    [
        (Says(500, b"<html>oops"), "token_refused", True),
        (Says(503, headers={"Retry-After": "1"}), "token_refused", True),
        (Says(429), "token_refused", True),
        (Says(400, b"<html>oops"), "token_refused", False),
        (Says(400, {"error": "<b>new</b>"}), "token_refused", False),
        (Says(400, {"error": ["invalid_grant"]}), "token_refused", False),
        (Says(400, {"error": "invalid_scope"}), "invalid_scope", False),
        (Says(200, b"<html>Sign in"), "html_not_json", False),
        (Says(200, b'{"access_tok'), "not_json", False),
        (Says(200, {"token_type": "Bearer"}), "access_token_missing", False),
        (Says(200, {"access_token": "a"}), "token_type_unknown", False),
        (Says(200, b"x" * 300_000), "too_large", False),
    ],
)
def test_a_bad_answer_of_the_token_endpoint_is_named_and_never_repeated(
    http: Http, ehr: AuthorizationServer, says: Says, code: str, retryable: bool
) -> None:
    ehr.book.says("POST", "/token", says)
    assert refused(http, ehr, code).retryable is retryable
    assert len(ehr.book.asked_at("/token")) == 1


def test_code_and_verifier_do_not_follow_a_redirect(
    http: Http, ehr: AuthorizationServer, elsewhere: Loopback
) -> None:
    moved = Says(307, headers={"Location": elsewhere.url + "/token"})
    ehr.book.says("POST", "/token", moved)
    refused(http, ehr, "redirected")
