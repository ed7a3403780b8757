from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.registry import HeaderParameter

from smart_launch.errors import TokenRejected
from smart_launch.id_token import CLOCK_SKEW_S, Identity, UnknownKey, verify_id_token
from smart_launch.server_keys import ServerKey, read_server_keys
from tests.smart_launch.authorization_server import ec_key, rsa_key

NOW_S = 1_800_000_000
ISSUER, CLIENT, NONCE = "https://login.example", "wetread", "the-nonce"
BASE = "https://ehr.example/fhir"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user-1",
    "aud": CLIENT,
    "nonce": NONCE,
    "iat": NOW_S - 5,
    "exp": NOW_S + 300,
    "fhirUser": f"{BASE}/Practitioner/doc-1",
}


def published(*keys: Any, **members: Any) -> tuple[ServerKey, ...]:
    return read_server_keys({"keys": [key.as_dict(private=False) | members for key in keys]})


def signed(
    claims: dict[str, Any] | None = None,
    *,
    key: Any = None,
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    key = key or rsa_key("key-1")
    merged = (CLAIMS if claims is None else claims) | changes
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    full = {"alg": algorithm, "kid": key.kid, **(header or {})}
    full = {k: v for k, v in full.items() if v is not None}
    registry = jws.JWSRegistry(algorithms=[full["alg"]], strict_check_header=False)
    payload = json.dumps({k: v for k, v in merged.items() if v is not None})
    return jws.serialize_compact(full, payload, key, registry=registry)


def verified(token: str, *keys: Any, **change: Any) -> Identity:
    settings: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "nonce": NONCE,
        "server_keys": published(*(keys or (rsa_key("key-1"),))),
        "fhir_base": BASE,
        "now_s": NOW_S,
    }
    return verify_id_token(token, **(settings | change))


def refused(token: str, code: str, *keys: Any, **change: Any) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        verified(token, *keys, **change)
    assert caught.value.code == code
    assert "user-1" not in str(caught.value)
    return caught.value


def raw(header: object, claims: object, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_a_good_token_names_the_user() -> None:
    identity = verified(signed())
    assert (identity.issuer, identity.subject) == (ISSUER, "user-1")
    assert identity.user is not None
    assert identity.user.reference == f"{BASE}/Practitioner/doc-1"
    assert "doc-1" not in repr(identity)
    assert "user-1" not in repr(identity)


def test_a_relative_fhir_user_becomes_absolute() -> None:
    user = verified(signed(fhirUser="Patient/p-1")).user
    assert user is not None
    assert (user.reference, user.is_patient) == (f"{BASE}/Patient/p-1", True)


def test_the_profile_claim_of_smart_v1_is_understood() -> None:
    user = verified(signed(fhirUser=None, profile=f"{BASE}/Practitioner/doc-2")).user
    assert user is not None
    assert user.id == "doc-2"


@pytest.mark.parametrize("value", [None, 7, "nobody", "https://x.example/photo.png"])
def test_a_user_without_a_readable_fhir_user_is_still_a_subject(value: object) -> None:
    identity = verified(signed(fhirUser=value))
    assert (identity.subject, identity.user) == ("user-1", None)
    assert identity.user_unreadable is (value is not None)


def test_a_profile_that_is_a_web_page_is_no_unreadable_user() -> None:
    token = signed(fhirUser=None, profile="https://x.example/users/zora")
    assert not verified(token).user_unreadable


# --- keys -----------------------------------------


def test_the_key_is_chosen_by_kid() -> None:
    token = signed(key=rsa_key("key-2"))
    assert verified(token, rsa_key("key-1"), ec_key("ec-1"), rsa_key("key-2")).subject == "user-1"


@pytest.mark.parametrize("key", [rsa_key("key-2"), ec_key("ec-1")])
def test_without_a_kid_any_of_the_servers_keys_may_fit(key: Any) -> None:
    token = signed(key=key, header={"kid": None})
    assert verified(token, rsa_key("key-1"), rsa_key("key-2"), ec_key("ec-1")).subject == "user-1"


def test_without_a_kid_a_foreign_key_does_not_fit() -> None:
    token = signed(key=rsa_key("foreign"), header={"kid": None})
    assert isinstance(refused(token, "signature_invalid", rsa_key("key-1")), UnknownKey)


def test_a_server_that_publishes_keys_without_kid_is_understood() -> None:
    nameless = {k: v for k, v in rsa_key("key-1").as_dict(private=False).items() if k != "kid"}
    token = signed(key=rsa_key("key-1"))
    assert verified(token, server_keys=read_server_keys({"keys": [nameless]})).subject == "user-1"


def test_an_unknown_kid_may_be_a_new_key() -> None:
    error = refused(signed(key=rsa_key("key-2")), "signature_invalid", rsa_key("key-1"))
    assert isinstance(error, UnknownKey)


def test_a_foreign_signature_under_a_known_kid_is_final() -> None:
    token = signed(key=rsa_key("foreign"), header={"kid": "key-1"})
    assert not isinstance(refused(token, "signature_invalid"), UnknownKey)


def test_changed_claims_break_the_signature() -> None:
    header, _, signature = signed().split(".")
    other = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"sub": "user-2"}).encode()).decode()
    refused(f"{header}.{other.rstrip('=')}.{signature}", "signature_invalid")


def test_a_key_for_encryption_does_not_sign() -> None:
    keys = published(rsa_key("key-1"), use="enc")
    refused(signed(), "signature_invalid", server_keys=keys)


def test_a_key_for_another_algorithm_does_not_sign() -> None:
    keys = published(rsa_key("key-1"), alg="RS512")
    refused(signed(), "signature_invalid", server_keys=keys)


@pytest.mark.filterwarnings("ignore:Key size")
def test_weak_symmetric_and_broken_keys_are_not_taken_over() -> None:
    members = [
        RSAKey.generate_key(1024).as_dict(private=False),
        OctKey.generate_key(256).as_dict(private=True),
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "quantum"},
        {"kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB"},
        {},
        "key",
        None,
    ]
    assert read_server_keys({"keys": members}) == ()


# --- algorithms -----------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_algorithm_none_is_refused(algorithm: str) -> None:
    refused(raw({"alg": algorithm, "kid": "key-1"}, CLAIMS), "algorithm_refused")
    refused(raw({"alg": algorithm}, CLAIMS), "algorithm_refused")


def test_a_token_without_algorithm_is_refused() -> None:
    refused(raw({"kid": "key-1"}, CLAIMS), "id_token_invalid")


def test_the_public_key_as_a_shared_secret_is_refused() -> None:
    public = rsa_key("key-1").as_pem(private=False)
    unsigned = raw({"alg": "HS256", "kid": "key-1"}, CLAIMS).rpartition(".")[0]
    digest = hmac.digest(public, unsigned.encode(), "sha256")
    token = f"{unsigned}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    refused(token, "algorithm_refused")


def test_the_client_secret_as_a_key_is_refused() -> None:
    token = jwt.encode({"alg": "HS256"}, CLAIMS, OctKey.import_key("x" * 32), ["HS256"])
    refused(token, "algorithm_refused")


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    own = rsa_key("foreign")
    header = {"kid": "key-1", "jwk": own.as_dict(private=False)}
    refused(signed(key=own, header=header), "signature_invalid")
    header = {"kid": "foreign", "jku": "https://evil.example/jwks"}
    refused(signed(key=own, header=header), "signature_invalid")


def test_a_critical_header_that_is_not_understood_is_refused() -> None:
    registry = jws.JWSRegistry(
        header_registry={"exotic": HeaderParameter("Exotic", "str")}, algorithms=["RS256"]
    )
    header = {"alg": "RS256", "kid": "key-1", "crit": ["exotic"], "exotic": "x"}
    token = jwt.encode(header, CLAIMS, rsa_key("key-1"), None, registry)
    refused(token, "signature_invalid")


def test_unknown_and_long_headers_are_ignored() -> None:
    header = {"x5c": ["A" * 3000], "vendor": "x"}
    assert verified(signed(header=header)).subject == "user-1"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256", "PS512"])
def test_asymmetric_algorithms_are_accepted(algorithm: str) -> None:
    assert verified(signed(header={"alg": algorithm})).subject == "user-1"


# --- claims -----------------------------------------


@pytest.mark.parametrize(
    "issuer", ["https://evil.example", ISSUER + "/", ISSUER.upper(), "", None, [ISSUER], 7]
)
def test_another_issuer_is_refused(issuer: object) -> None:
    refused(signed(iss=issuer), "issuer_mismatch")


@pytest.mark.parametrize("audience", ["other", "", None, [], ["other"], "wetread2", [["wetread"]]])
def test_another_audience_is_refused(audience: object) -> None:
    refused(signed(aud=audience), "audience_mismatch")


def test_several_audiences_need_an_authorized_party() -> None:
    assert verified(signed(aud=[CLIENT])).subject == "user-1"
    refused(signed(aud=[CLIENT, "other"]), "audience_mismatch")
    assert verified(signed(aud=[CLIENT, "other"], azp=CLIENT)).subject == "user-1"


@pytest.mark.parametrize("authorized", ["other", "", 7, [CLIENT]])
def test_another_authorized_party_is_refused(authorized: object) -> None:
    refused(signed(azp=authorized), "audience_mismatch")


@pytest.mark.parametrize("nonce", ["another", "", None, 7, NONCE + " ", [NONCE], "\ud800"])
def test_another_nonce_is_refused(nonce: object) -> None:
    refused(signed(nonce=nonce), "nonce_mismatch")


def test_an_empty_expected_nonce_matches_nothing() -> None:
    refused(signed(nonce=""), "nonce_mismatch", nonce="")


@pytest.mark.parametrize("ago_s", [0, CLOCK_SKEW_S - 1])
def test_a_clock_that_is_a_little_off_is_forgiven(ago_s: int) -> None:
    assert verified(signed(exp=NOW_S - ago_s)).subject == "user-1"
    assert verified(signed(iat=NOW_S + ago_s)).subject == "user-1"
    assert verified(signed(nbf=NOW_S + ago_s)).subject == "user-1"


def test_an_expired_token_is_refused() -> None:
    refused(signed(exp=NOW_S - CLOCK_SKEW_S), "id_token_expired")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused(claim: str) -> None:
    refused(signed(**{claim: NOW_S + CLOCK_SKEW_S + 1}), "id_token_from_future")


@pytest.mark.parametrize("claim", ["exp", "iat"])
@pytest.mark.parametrize("value", [None, "1900000000", True, [], float("nan"), float("inf")])
def test_times_must_be_there_and_be_numbers(claim: str, value: object) -> None:
    refused(signed(**{claim: value}), "id_token_invalid")


@pytest.mark.parametrize("subject", [None, "", 7])
def test_a_token_about_nobody_is_refused(subject: object) -> None:
    refused(signed(sub=subject), "id_token_invalid")


def test_the_clock_of_the_machine_counts_when_no_time_is_given() -> None:
    refused(signed(exp=1_000_000, iat=999_999), "id_token_expired", now_s=None)


# --- garbage -----------------------------------------


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_-]{0,20}){0,4}"))
def test_garbage_is_refused_and_nothing_else_happens(token: str) -> None:
    with pytest.raises(TokenRejected):
        verified(token)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


@given(
    json_values
    | st.fixed_dictionaries(
        {"alg": json_values | st.just("RS256")},
        optional={"kid": json_values, "typ": json_values, "crit": json_values, "b64": json_values},
    ),
    json_values,
)
def test_unsigned_garbage_is_refused_and_nothing_else_happens(header: Any, claims: Any) -> None:
    with pytest.raises(TokenRejected):
        verified(raw(header, claims, b"signature"))


@given(
    st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "key_ops"]),
        json_values | st.sampled_from(["RSA", "EC", "P-256", "AQAB", "sig", "RS256"]),
    )
)
def test_no_published_key_makes_reading_fall_over(member: Any) -> None:
    assert len(read_server_keys({"keys": [member]})) <= 1


@given(json_values)
def test_signed_claims_that_are_no_object_are_refused(claims: Any) -> None:
    token = jws.serialize_compact(
        {"alg": "RS256", "kid": "key-1"}, json.dumps(claims), rsa_key("key-1")
    )
    with pytest.raises(TokenRejected):
        verified(token)
