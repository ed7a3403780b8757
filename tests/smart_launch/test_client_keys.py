from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jwk import KeySet as Reference

from smart_launch.client_keys import JWKS_CACHE_CONTROL, KeySet
from smart_launch.errors import RegistrationError

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def test_the_public_set_holds_no_private_member(our_keys: KeySet) -> None:
    published = our_keys.public_jwks()["keys"]
    assert [key["kty"] for key in published] == ["EC", "RSA"]
    assert not any(PRIVATE_MEMBERS & key.keys() for key in published)


def test_every_public_key_says_what_smart_asks_for(our_keys: KeySet) -> None:
    curve, rsa = our_keys.public_jwks()["keys"]
    assert curve.keys() >= {"kty", "kid", "crv", "x", "y", "alg", "use", "key_ops"}
    assert rsa.keys() >= {"kty", "kid", "n", "e", "alg"}
    assert (curve["crv"], curve["alg"], curve["use"]) == ("P-384", "ES384", "sig")
    assert (rsa["alg"], rsa["key_ops"]) == ("RS384", ["verify"])
    assert len(rsa["n"]) >= 512  # 3072 bits in base64


def test_the_kid_is_the_rfc_7638_thumbprint(our_keys: KeySet) -> None:
    for key, member in zip(our_keys.keys, our_keys.public_jwks()["keys"], strict=True):
        bare = {k: v for k, v in member.items() if k in ("kty", "crv", "x", "y", "n", "e")}
        kind = ECKey if member["kty"] == "EC" else RSAKey
        assert member["kid"] == key.kid == kind.import_key(bare).thumbprint()  # type: ignore[attr-defined]


def test_keys_survive_being_written_and_read(our_keys: KeySet) -> None:
    again = KeySet.load(our_keys.dump())
    assert again.public_jwks() == our_keys.public_jwks()
    assert PRIVATE_MEMBERS & json.loads(our_keys.dump())["keys"][0].keys()


def test_a_kid_that_the_ehr_was_told_is_kept() -> None:
    member = ECKey.generate_key("P-384").as_dict(private=True) | {"kid": "given-to-the-ehr"}
    assert KeySet.load(json.dumps({"keys": [member]})).keys[0].kid == "given-to-the-ehr"


def test_private_keys_are_not_shown(our_keys: KeySet) -> None:
    secret = json.loads(our_keys.dump())["keys"][0]["d"]
    assert secret not in repr(our_keys)


def test_rotation_publishes_first_signs_later_and_retires_last() -> None:
    first = KeySet.generate("ES384")
    old = first.signing_key("ES384").kid
    both = first.with_added("ES384")
    new = both.keys[-1].kid
    assert both.signing_key("ES384").kid == old
    assert {key["kid"] for key in both.public_jwks()["keys"]} == {old, new}
    promoted = both.promoted(new)
    assert promoted.signing_key("ES384").kid == new
    assert {key["kid"] for key in promoted.public_jwks()["keys"]} == {old, new}
    retired = promoted.without(old)
    assert [key["kid"] for key in retired.public_jwks()["keys"]] == [new]


def test_what_an_old_key_signed_is_still_accepted_after_promotion() -> None:
    first = KeySet.generate("ES384")
    signed = jwt.encode(
        {"alg": "ES384", "kid": first.keys[0].kid}, {"a": 1}, first.keys[0].key, ["ES384"]
    )
    both = first.with_added("ES384")
    published: Any = both.promoted(both.keys[-1].kid).public_jwks()
    assert jwt.decode(signed, Reference.import_key_set(published), ["ES384"]).claims == {"a": 1}


@pytest.mark.parametrize("step", ["promoted", "without"])
def test_an_unknown_kid_cannot_be_rotated(our_keys: KeySet, step: str) -> None:
    with pytest.raises(RegistrationError, match="key_missing"):
        getattr(our_keys, step)("nobody")


def test_a_missing_algorithm_is_named() -> None:
    with pytest.raises(RegistrationError, match="no key for RS384"):
        KeySet.generate("ES384").signing_key("RS384")
    with pytest.raises(RegistrationError, match="algorithm_unsupported"):
        KeySet.generate("HS256")


def test_the_set_may_be_cached_for_a_limited_time() -> None:
    name, _, seconds = JWKS_CACHE_CONTROL.partition("max-age=")
    assert name == "public, "
    assert 0 < int(seconds) <= 24 * 3600


def broken_sets() -> list[str]:
    public = ECKey.generate_key("P-384", private=False).as_dict()
    short = ECKey.generate_key("P-256").as_dict(private=True)
    symmetric = OctKey.generate_key(256).as_dict(private=True)
    twice = ECKey.generate_key("P-384").as_dict(private=True)
    members: list[Any] = [[public], [short], [symmetric], [twice, twice], [], ["x"], [{}], "x", 7]
    whole: list[Any] = [{"keys": member} for member in members] + [[], {}, "x", None]
    return ["", "{", *(json.dumps(value) for value in whole)]


BROKEN_SETS = broken_sets()


# Numbered: the keys are fresh in every process, and the ids of tests must not be.
@pytest.mark.parametrize("text", BROKEN_SETS, ids=range(len(BROKEN_SETS)))
def test_other_key_files_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(RegistrationError, match="keys_invalid") as caught:
        KeySet.load(text)
    assert '"d"' not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_short_rsa_key_is_refused() -> None:
    short = RSAKey.generate_key(1024).as_dict(private=True)
    with pytest.raises(RegistrationError, match="keys_invalid"):
        KeySet.load(json.dumps({"keys": [short]}))
