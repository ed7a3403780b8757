"""Whole launches against a real authorization server in a thread, a sloppy one too."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from joserfc.jwk import OctKey

from smart_launch.client_keys import KeySet
from smart_launch.errors import DiscoveryError, TokenRejected
from smart_launch.http import Http
from smart_launch.launch import CompletedLaunch, begin_launch, finish_launch, refresh, revoke
from smart_launch.registration import ClientRegistration
from smart_launch.server_keys import ServerKeyCache
from tests.smart_launch.authorization_server import (
    PATIENT,
    USER,
    AuthorizationServer,
    ec_key,
    rsa_key,
)
from tests.smart_launch.loopback import Loopback, Says

SCOPES = ("launch", "openid", "fhirUser", "online_access", "patient/Patient.r")


def registered(ehr: AuthorizationServer, **change: Any) -> ClientRegistration:
    fields: dict[str, Any] = {
        "issuer": ehr.base,
        "client_id": ehr.client_id,
        "authentication": "public",
        "redirect_uri": "https://app.example/callback/ehr",
        "scopes": SCOPES,
    }
    return ClientRegistration(**(fields | change))


def launched(
    http: Http,
    ehr: AuthorizationServer,
    registration: ClientRegistration | None = None,
    *,
    launch: str | None = "launch-1",
    **settings: Any,
) -> CompletedLaunch:
    registration = registration or registered(ehr)
    configuration, request = begin_launch(http, registration, launch=launch)
    code, state = ehr.authorize(request.url)
    assert state == request.state
    return finish_launch(
        http,
        registration,
        configuration,
        code=code,
        code_verifier=request.code_verifier,
        nonce=settings.pop("nonce", request.nonce),
        standalone=launch is None,
        **settings,
    )


def refused(http: Http, ehr: AuthorizationServer, code: str, **settings: Any) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        launched(http, ehr, **settings)
    assert caught.value.code == code
    return caught.value


# --- good launches --------------------------------------------------------------------------


def test_an_ehr_launch_ends_with_patient_user_and_tokens(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    assert done.context.patient == PATIENT
    assert done.context.fhir_user == f"{ehr.base}/{USER}"
    assert done.identity is not None
    assert done.identity.subject == "user-1"
    assert done.tokens.refresh_token in ehr.refresh_tokens
    assert done.missing == ()


def test_a_standalone_launch_asks_for_a_patient_instead(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr, launch=None)
    assert done.context.patient == PATIENT
    assert "launch/patient" in done.granted
    assert done.missing == ()


def test_a_client_with_a_secret_uses_basic_and_no_client_id(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.secret = "s e:c/r&e=t+%"
    registration = registered(ehr, authentication="secret", client_secret=ehr.secret)
    assert launched(http, ehr, registration).context.patient == PATIENT
    form = ehr.book.asked_at("/token")[0].form
    assert not {"client_id", "client_secret"} & form.keys()


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_client_with_keys_signs_a_fresh_assertion_each_time(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, algorithm: str
) -> None:
    ehr.client_jwks = our_keys.public_jwks()
    registration = registered(ehr, authentication="private_key", signing_algorithm=algorithm)
    launched(http, ehr, registration, keys=our_keys)
    launched(http, ehr, registration, keys=our_keys)
    assert len(ehr.seen_jtis) == 2


def test_nothing_but_the_registered_servers_is_asked(http: Http, ehr: AuthorizationServer) -> None:
    launched(http, ehr)
    assert [request.path for request in ehr.book.asked] == [
        "/fhir/.well-known/smart-configuration",
        "/token",
        "/jwks",
    ]


def test_the_token_endpoint_gets_a_form(http: Http, ehr: AuthorizationServer) -> None:
    launched(http, ehr)
    (asked,) = ehr.book.asked_at("/token")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Accept"] == "application/json"


# --- sloppy servers -------------------------------------------------------------------------


def test_an_id_token_without_kid_is_verified_with_any_of_the_servers_keys(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.id_header = {"kid": None}
    ehr.published = [key.as_dict(private=False) for key in (ec_key("ec-1"), rsa_key("key-1"))]
    assert launched(http, ehr).identity is not None


def test_relative_endpoints_and_a_relative_fhir_user_are_understood(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.configuration |= {"token_endpoint": "../token", "jwks_uri": "/jwks"}
    ehr.id_claims = {"fhirUser": USER}
    assert launched(http, ehr).context.fhir_user == f"{ehr.base}/{USER}"


def test_an_issuer_with_a_closing_slash_is_sent_back_with_it(
    http: Http, ehr: AuthorizationServer
) -> None:
    registration = registered(ehr, issuer=ehr.base + "/")
    ehr.base += "/"
    assert launched(http, ehr, registration).context.patient == PATIENT


def test_the_keys_are_found_through_the_openid_configuration(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.configuration.pop("jwks_uri")
    document = {"issuer": ehr.issuer, "jwks_uri": ehr.book.url + "/jwks"}
    ehr.book.says("GET", "/fhir/.well-known/openid-configuration", Says(body=document))
    assert launched(http, ehr).identity is not None


def test_an_openid_configuration_of_another_issuer_is_refused(
    http: Http, ehr: AuthorizationServer, elsewhere: Loopback
) -> None:
    ehr.configuration.pop("jwks_uri")
    document = {"issuer": "https://evil.example", "jwks_uri": elsewhere.url + "/jwks"}
    ehr.book.says("GET", "/fhir/.well-known/openid-configuration", Says(body=document))
    with pytest.raises(DiscoveryError, match="issuer_mismatch"):
        launched(http, ehr)


def test_an_openid_configuration_with_plain_http_keys_is_refused(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.configuration.pop("jwks_uri")
    document = {"issuer": ehr.issuer, "jwks_uri": "http://keys.example/jwks"}
    ehr.book.says("GET", "/fhir/.well-known/openid-configuration", Says(body=document))
    with pytest.raises(DiscoveryError, match="keys_unknown"):
        launched(http, ehr)


def test_a_server_that_sends_a_lifetime_as_text_and_no_scope_is_understood(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.token_answer = {"expires_in": "600", "scope": None, "token_type": "bearer"}
    done = launched(http, ehr)
    assert done.tokens.expires_in_s == 600
    assert done.missing == ()


def test_a_server_that_forgets_to_list_launch_and_openid_is_understood(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.token_answer = {"scope": "patient/*.read"}
    assert launched(http, ehr).missing == ()


# --- what is missing ------------------------------------------------------------------------


def test_refused_scopes_are_named_in_sentences(http: Http, ehr: AuthorizationServer) -> None:
    ehr.token_answer = {"scope": "launch openid fhirUser", "refresh_token": None}
    missing = {m.scope: m.sentence for m in launched(http, ehr).missing}
    assert missing.keys() == {"online_access", "patient/Patient.r"}
    assert missing["online_access"] == ("Access ends after a short time and cannot be prolonged.")


def test_a_listed_scope_that_the_answer_does_not_keep_is_missing(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.token_answer = {
        "scope": "launch openid fhirUser online_access offline_access patient/Patient.r",
        "refresh_token": None,
        "patient": None,
        "id_token": None,
    }
    done = launched(http, ehr)
    assert done.identity is None
    assert done.context.patient is None
    assert {m.scope for m in done.missing} == {"launch", "openid", "fhirUser", "online_access"}


def test_an_id_token_that_was_not_asked_for_is_not_believed(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.token_answer = {"id_token": ehr.id_token("whatever")}
    done = launched(http, ehr, registered(ehr, scopes=("launch", "patient/Patient.r")))
    assert done.identity is None
    assert done.context.fhir_user is None


def test_a_fhir_user_outside_the_id_token_is_not_believed(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.token_answer = {"id_token": None, "fhirUser": "Practitioner/chief"}
    assert launched(http, ehr).context.user is None


# --- dishonest answers ----------------------------------------------------------------------


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


# --- the server's keys ----------------------------------------------------------------------


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


# --- the token endpoint ---------------------------------------------------------------------


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


# --- refresh and revocation -----------------------------------------------------------------


def refreshed(http: Http, ehr: AuthorizationServer, done: CompletedLaunch, **settings: Any) -> Any:
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    given: dict[str, Any] = {
        "refresh_token": done.tokens.refresh_token,
        "granted": done.granted,
        "patient": done.context.patient,
    }
    return refresh(http, registration, configuration, **(given | settings))


def test_a_refresh_replaces_both_tokens(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    tokens = refreshed(http, ehr, done)
    assert tokens.access_token != done.tokens.access_token
    assert tokens.refresh_token != done.tokens.refresh_token
    assert tokens.refresh_token in ehr.refresh_tokens
    with pytest.raises(TokenRejected, match="invalid_grant") as caught:
        refreshed(http, ehr, done)
    assert not caught.value.retryable


def test_a_server_that_does_not_rotate_leaves_the_old_refresh_token(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"refresh_token": None}
    assert refreshed(http, ehr, done).refresh_token == done.tokens.refresh_token


def test_a_refresh_never_counts_for_more_than_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"scope": "patient/Patient.r patient/*.cruds user/*.*"}
    assert refreshed(http, ehr, done).granted == ("patient/Patient.r",)


def test_a_refresh_without_scope_keeps_those_of_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"scope": None}
    assert set(refreshed(http, ehr, done).granted) == set(done.granted)


def test_a_refresh_for_another_patient_is_refused(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"patient": "pat-2"}
    with pytest.raises(TokenRejected, match="patient_changed") as caught:
        refreshed(http, ehr, done)
    assert "pat-" not in str(caught.value)


def test_a_refresh_that_found_nobody_may_be_tried_again(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.book.says("POST", "/token", Says(503))
    with pytest.raises(TokenRejected) as caught:
        refreshed(http, ehr, done)
    assert caught.value.retryable
    assert len(ehr.book.asked_at("/token")) == 2


def test_revocation_takes_the_refresh_token_back(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    assert revoke(http, registration, configuration, token=str(done.tokens.refresh_token))
    assert ehr.revoked == [done.tokens.refresh_token]
    with pytest.raises(TokenRejected, match="invalid_grant"):
        refreshed(http, ehr, done)


def test_revocation_authenticates_with_an_assertion_for_the_token_endpoint(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    ehr.client_jwks = our_keys.public_jwks()
    registration = registered(ehr, authentication="private_key")
    configuration = begin_launch(http, registration, launch="x")[0]
    assert revoke(http, registration, configuration, token="r", keys=our_keys)
    assert ehr.revoked == ["r"]


def test_where_nothing_can_be_revoked_nothing_is_sent(http: Http, ehr: AuthorizationServer) -> None:
    ehr.configuration.pop("revocation_endpoint")
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    assert not revoke(http, registration, configuration, token="r")


def test_a_failed_revocation_is_told(http: Http, ehr: AuthorizationServer) -> None:
    ehr.book.says("POST", "/revoke", Says(500))
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    with pytest.raises(TokenRejected) as caught:
        revoke(http, registration, configuration, token="r")
    assert caught.value.retryable


# --- privacy --------------------------------------------------------------------------------


def test_nothing_secret_is_shown_or_logged(
    http: Http, ehr: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        done = launched(http, ehr)
    shown = f"{done!r} {caplog.text}"
    secrets = (
        done.tokens.access_token,
        str(done.tokens.refresh_token),
        str(done.tokens.id_token),
        PATIENT,
        "user-1",
    )
    assert not any(secret in shown for secret in secrets)
