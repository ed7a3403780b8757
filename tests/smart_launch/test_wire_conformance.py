"""What every kind of client sends, read on the wire: docs/smart-conformance.md."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet as Reference

from plugin.scopes import DEFAULT_SCOPES
from smart_launch.authorization import build_authorization_request
from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import DiscoveryError, TokenRejected
from smart_launch.http import Http
from smart_launch.launch import begin_launch, refresh, revoke
from smart_launch.registration import ClientRegistration
from tests.smart_launch.authorization_server import AuthorizationServer
from tests.smart_launch.launching import launched, registered
from tests.smart_launch.loopback import Asked

KINDS = ("public", "secret", "private_key")
SECRET = "s e:c/r&e=t+%"
JWKS_URL = "https://app.example/.well-known/jwks.json"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def whole_life(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, kind: str, algorithm: str = "ES384"
) -> list[Asked]:
    """Launch, refresh twice and revoke; give the POSTs that arrived."""
    ehr.secret = SECRET if kind == "secret" else None
    ehr.client_jwks = our_keys.public_jwks() if kind == "private_key" else None
    settings: dict[str, Any] = {"authentication": kind, "client_secret": ehr.secret}
    if kind == "private_key":
        settings |= {"jwks_url": JWKS_URL, "signing_algorithm": algorithm}
    registration = registered(ehr, **settings)
    done = launched(http, ehr, registration, keys=our_keys)
    configuration = begin_launch(http, registration, launch="x")[0]
    token = str(done.tokens.refresh_token)
    for _ in range(2):
        given: dict[str, Any] = {"granted": done.granted, "keys": our_keys}
        answer = refresh(http, registration, configuration, refresh_token=token, **given)
        token = str(answer.refresh_token)
    assert revoke(http, registration, configuration, token=token, keys=our_keys)
    posts = [asked for asked in ehr.book.asked if asked.method == "POST"]
    assert [asked.path for asked in posts] == ["/token", "/token", "/token", "/revoke"]
    return posts


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_client_proves_itself_in_its_own_way_and_no_other(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, kind: str
) -> None:
    for asked in whole_life(http, ehr, our_keys, kind):
        form, header = asked.form, asked.headers.get("Authorization")
        assert form.get("client_id") == (ehr.client_id if kind == "public" else None)
        assert "client_secret" not in form
        if kind == "secret":
            assert header is not None
            scheme, _, pair = header.partition(" ")
            name, _, word = base64.b64decode(pair).decode("ascii").partition(":")
            assert (scheme, unquote_plus(name), unquote_plus(word)) == (
                "Basic",
                ehr.client_id,
                SECRET,
            )
        else:
            assert header is None
        asserted = {name for name in form if name.startswith("client_assertion")}
        expected = {"client_assertion", "client_assertion_type"} if kind == "private_key" else set()
        assert asserted == expected
        assert form.get("client_assertion_type") == (JWT_BEARER if expected else None)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_every_assertion_on_the_wire_is_new_short_lived_and_signed_by_a_published_key(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, algorithm: str
) -> None:
    published: Any = our_keys.public_jwks()
    seen = set()
    for asked in whole_life(http, ehr, our_keys, "private_key", algorithm):
        token = jwt.decode(
            asked.form["client_assertion"], Reference.import_key_set(published), [algorithm]
        )
        assert token.header["kid"] in {key["kid"] for key in published["keys"]}
        assert (token.header["typ"], token.header["alg"]) == ("JWT", algorithm)
        assert token.header["jku"] == JWKS_URL
        claims = token.claims
        assert claims["iss"] == claims["sub"] == ehr.client_id
        assert claims["aud"] == ehr.configuration["token_endpoint"]
        assert claims["exp"] - claims["iat"] <= 300
        seen.add(claims["jti"])
    assert len(seen) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_no_refresh_names_scopes_and_each_uses_the_newest_refresh_token(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, kind: str
) -> None:
    _, first, second, revocation = whole_life(http, ehr, our_keys, kind)
    for asked in (first, second):
        assert asked.form["grant_type"] == "refresh_token"
        assert "scope" not in asked.form
    # The server forgets a refresh token with its use, so each of these had to be the newest.
    tokens = [first.form["refresh_token"], second.form["refresh_token"], revocation.form["token"]]
    assert len(set(tokens)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_a_token_request_stands_in_its_form_once(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet, kind: str
) -> None:
    for asked in whole_life(http, ehr, our_keys, kind):
        assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert asked.raw_query == ""
        names = [name for name, _ in parse_qsl(asked.body.decode("ascii"), strict_parsing=True)]
        assert len(names) == len(set(names))


def test_the_authorization_request_of_a_whole_registration_stays_short() -> None:
    # Every part as long as in a large hospital; some EHRs pack much into their launch value.
    issuer = "https://fhir.a-long-name-of-a-hospital.example/interconnect-production/api/FHIR/R4"
    registration = ClientRegistration(
        issuer=issuer,
        client_id="6b2f1c1e-7d3a-4a57-9f0b-0d7f3e2a9c11",
        authentication="private_key",
        redirect_uri="https://wetread.radiology.a-long-name-of-a-hospital.example/callback/north",
        scopes=DEFAULT_SCOPES,
    )
    configuration = SmartConfiguration(
        issuer, f"{issuer}/token", authorization_endpoint=f"{issuer}/oauth2/authorize"
    )
    request = build_authorization_request(registration, configuration, launch="x" * 700)
    assert len(request.url) < 2000


def test_scopes_with_search_parameters_are_sent_as_they_were_registered(
    http: Http, ehr: AuthorizationServer
) -> None:
    narrow = "patient/Observation.rs?category=http://terminology.example/c|imaging&status=final"
    registration = registered(ehr, scopes=("launch", "patient/Patient.r", narrow))
    request = begin_launch(http, registration, launch="x")[1]
    query = dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))
    assert query["scope"].split() == ["launch", "patient/Patient.r", narrow]


def test_served_keys_are_bare_keys_with_different_kids(our_keys: KeySet) -> None:
    # As in the middle of a rotation: two keys of each algorithm.
    several = our_keys.with_added("ES384").with_added("RS384")
    members = several.public_jwks()["keys"]
    assert len({key["kid"] for key in members}) == len(members) == 4
    for key in members:
        material = {"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}}[key["kty"]]
        assert material <= key.keys()
        assert not {"x5c", "x5u", "x5t", "d", "p", "q", "k"} & key.keys()
        assert all(isinstance(key[name], str) and key[name] for name in material | {"kid"})


def test_a_server_that_repeats_no_nonce_is_launched_from_only_where_none_is_sent(
    http: Http, ehr: AuthorizationServer
) -> None:
    # As the simulated server of the public test kit does it.
    ehr.id_claims = {"nonce": None}
    with pytest.raises(TokenRejected, match="nonce_mismatch"):
        launched(http, ehr)
    ehr.token_answer = {"id_token": ehr.id_token(None)}
    done = launched(http, ehr, registered(ehr, send_nonce=False))
    assert done.identity is not None
    assert done.identity.subject == "user-1"


def test_without_a_nonce_pkce_must_be_promised(http: Http, ehr: AuthorizationServer) -> None:
    del ehr.configuration["code_challenge_methods_supported"]
    begin_launch(http, registered(ehr), launch="x")
    with pytest.raises(DiscoveryError, match="pkce_unsupported"):
        begin_launch(http, registered(ehr, send_nonce=False), launch="x")


def test_without_a_nonce_the_rest_of_the_id_token_is_checked_as_ever(
    http: Http, ehr: AuthorizationServer
) -> None:
    registration = registered(ehr, send_nonce=False)
    for wrong in ({"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1_000_000}):
        ehr.id_claims = {"nonce": None} | wrong
        ehr.token_answer = {"id_token": ehr.id_token(None)}
        with pytest.raises(TokenRejected):
            launched(http, ehr, registration)
