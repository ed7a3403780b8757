from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet as Reference

from smart_launch.client_authentication import authenticate, client_assertion
from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import RegistrationError
from smart_launch.registration import ClientRegistration

TOKEN_ENDPOINT = "https://login.example/token"
CONFIGURATION = SmartConfiguration("https://ehr.example/fhir", TOKEN_ENDPOINT)


def registered(**change: Any) -> ClientRegistration:
    fields: dict[str, Any] = {
        "issuer": "https://ehr.example/fhir",
        "client_id": "wetread",
        "authentication": "private_key",
        "redirect_uri": "https://app.example/callback",
        "scopes": ("launch",),
    }
    return ClientRegistration(**(fields | change))


def opened(assertion: str, keys: KeySet) -> jwt.Token:
    published: Any = keys.public_jwks()
    return jwt.decode(assertion, Reference.import_key_set(published), ["ES384", "RS384"])


def test_a_public_client_names_itself_and_proves_nothing() -> None:
    fields, headers = authenticate(registered(authentication="public"), CONFIGURATION, None)
    assert (fields, headers) == ({"client_id": "wetread"}, {})


@given(
    st.text(min_size=1).filter(lambda t: t.isprintable()),
    st.text(min_size=1).filter(lambda t: t.isprintable()),
)
def test_basic_form_encodes_both_parts(client_id: str, secret: str) -> None:
    registration = registered(authentication="secret", client_id=client_id, client_secret=secret)
    fields, headers = authenticate(registration, CONFIGURATION, None)
    decoded = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode("ascii")
    name, colon, word = decoded.partition(":")
    assert (unquote_plus(name), colon, unquote_plus(word)) == (client_id, ":", secret)
    assert "client_id" not in fields


def test_our_keys_sign_for_no_other_token_endpoint_than_the_registered_one(
    our_keys: KeySet,
) -> None:
    pinned = registered(token_endpoint=TOKEN_ENDPOINT)
    assert authenticate(pinned, CONFIGURATION, our_keys)[0]
    for other in ("https://login.other.example/token", TOKEN_ENDPOINT + "/"):
        elsewhere = SmartConfiguration("https://ehr.example/fhir", other)
        with pytest.raises(RegistrationError, match="token_endpoint_changed"):
            authenticate(pinned, elsewhere, our_keys)


def test_a_colon_in_the_client_id_does_not_shift_the_secret() -> None:
    registration = registered(authentication="secret", client_id="a:b", client_secret="c d")
    headers = authenticate(registration, CONFIGURATION, None)[1]
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab:c+d"


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_assertion_is_what_smart_asks_for(our_keys: KeySet, algorithm: str) -> None:
    registration = registered(
        signing_algorithm=algorithm, jwks_url="https://app.example/.well-known/jwks.json"
    )
    fields, headers = authenticate(registration, CONFIGURATION, our_keys)
    assert headers == {}
    assert fields["client_assertion_type"] == (
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )
    token = opened(fields["client_assertion"], our_keys)
    assert token.header == {
        "alg": algorithm,
        "kid": our_keys.signing_key(algorithm).kid,
        "typ": "JWT",
        "jku": "https://app.example/.well-known/jwks.json",
    }
    assert token.claims["iss"] == token.claims["sub"] == "wetread"
    assert token.claims["aud"] == TOKEN_ENDPOINT
    assert time.time() < token.claims["exp"] <= time.time() + 300


def test_without_a_registered_address_there_is_no_jku(our_keys: KeySet) -> None:
    token = opened(client_assertion(registered(), TOKEN_ENDPOINT, our_keys), our_keys)
    assert "jku" not in token.header


def test_an_assertion_lives_less_than_five_minutes_also_by_a_fast_clock(our_keys: KeySet) -> None:
    assertion = client_assertion(registered(), TOKEN_ENDPOINT, our_keys, now_s=1_000_000)
    claims = opened(assertion, our_keys).claims
    assert claims["iat"] == 1_000_000
    assert 60 <= claims["exp"] - 1_000_000 <= 240
    assert isinstance(claims["exp"], int)


def test_every_assertion_has_its_own_jti(our_keys: KeySet) -> None:
    assertions = [client_assertion(registered(), TOKEN_ENDPOINT, our_keys) for _ in range(20)]
    ids = {opened(assertion, our_keys).claims["jti"] for assertion in assertions}
    assert len(ids) == 20
    assert min(map(len, ids)) >= 22  # 128 bits in base64


def test_a_promised_key_that_is_missing_is_named(our_keys: KeySet) -> None:
    with pytest.raises(RegistrationError, match="key_missing"):
        authenticate(registered(), CONFIGURATION, None)
    only_rsa = KeySet((our_keys.signing_key("RS384"),))
    with pytest.raises(RegistrationError, match="no key for ES384"):
        authenticate(registered(), CONFIGURATION, only_rsa)
