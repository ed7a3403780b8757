"""Launches that succeed, at a strict server and at sloppy ones."""

from __future__ import annotations

import logging

import pytest

from smart_launch.client_keys import KeySet
from smart_launch.errors import DiscoveryError
from smart_launch.http import Http
from tests.smart_launch.authorization_server import (
    PATIENT,
    USER,
    AuthorizationServer,
    ec_key,
    rsa_key,
)
from tests.smart_launch.launching import launched, registered
from tests.smart_launch.loopback import Loopback, Says

# --- good launches -----------------------------------------


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


# --- sloppy servers -----------------------------------------


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


def test_an_openid_configuration_without_keys_is_named(
    http: Http, ehr: AuthorizationServer
) -> None:
    ehr.configuration.pop("jwks_uri")
    document = {"issuer": ehr.issuer, "jwks_uri": None}
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


# --- what is missing -----------------------------------------


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


# --- privacy -----------------------------------------


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
