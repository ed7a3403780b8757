"""Our own signing keys (SMART App Launch 2.2.0, client-confidential-asymmetric.html).

Rotation has three steps, because servers cache the JWKS: ``with_added`` publishes a new key
that does not sign yet; after an hour ``promoted`` lets it sign; after another ``without``
retires the old one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from smart_launch.errors import RegistrationError
from smart_launch.registration import SIGNING_ALGORITHMS

JWKS_CACHE_CONTROL = "public, max-age=3600"
_RSA_BITS = 3072
_LEAST_RSA_BITS = 2048


@dataclass(frozen=True)
class SigningKey:
    """A private key, its algorithm and its kid (RFC 7638 thumbprint)."""

    kid: str
    algorithm: str
    key: ECKey | RSAKey = field(repr=False)


@dataclass(frozen=True)
class KeySet:
    """Several private keys; of each algorithm the first one signs, all are published.

    Parameters
    ----------
    keys : tuple of SigningKey
        With different kids.
    """

    keys: tuple[SigningKey, ...]

    @classmethod
    def generate(cls, *algorithms: str) -> KeySet:
        """Make one fresh key for each algorithm (default: ES384 and RS384)."""
        return cls(tuple(_generate(name) for name in algorithms or SIGNING_ALGORITHMS))

    @classmethod
    def load(cls, text: str) -> KeySet:
        """Read private keys from a JWK Set in JSON.

        Raises
        ------
        RegistrationError
            ``keys_invalid`` when it is not one with private EC P-384 or RSA keys.
        """
        try:
            members = json.loads(text)["keys"]
            keys = tuple(_import(member) for member in members)
        except (ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
            raise _invalid() from error
        if not keys or len({key.kid for key in keys}) != len(keys):
            raise _invalid()
        return cls(keys)

    def dump(self) -> str:
        """Write the private keys as a JWK Set in JSON: a secret."""
        return json.dumps({"keys": [_described(key, private=True) for key in self.keys]}, indent=1)

    def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Public half of every key, to be served as the JWKS.

        References
        ----------
        SMART App Launch 2.2.0,
        client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
        """
        return {"keys": [_described(key, private=False) for key in self.keys]}

    def signing_key(self, algorithm: str) -> SigningKey:
        """First key of an algorithm.

        Raises
        ------
        RegistrationError
            ``key_missing``.
        """
        for key in self.keys:
            if key.algorithm == algorithm:
                return key
        raise RegistrationError(
            "key_missing", f"This app has no key for {algorithm}, which this EHR was promised."
        )

    def with_added(self, algorithm: str) -> KeySet:
        """Publish one more key, which signs only once promoted (or if it is the only one)."""
        return KeySet((*self.keys, _generate(algorithm)))

    def promoted(self, kid: str) -> KeySet:
        """Let the key with this kid sign from now on."""
        chosen = self._by_kid(kid)
        return KeySet((chosen, *(key for key in self.keys if key.kid != kid)))

    def without(self, kid: str) -> KeySet:
        """Retire the key with this kid."""
        self._by_kid(kid)
        return KeySet(tuple(key for key in self.keys if key.kid != kid))

    def _by_kid(self, kid: str) -> SigningKey:
        for key in self.keys:
            if key.kid == kid:
                return key
        raise RegistrationError("key_missing", "This app has no key with that kid.")


def _generate(algorithm: str) -> SigningKey:
    if algorithm == "ES384":
        return _signing_key(ECKey.generate_key("P-384"))
    if algorithm == "RS384":
        return _signing_key(RSAKey.generate_key(_RSA_BITS))
    raise RegistrationError("algorithm_unsupported", "Keys are made for ES384 or RS384 only.")


def _import(member: dict[str, Any]) -> SigningKey:
    key = JWKRegistry.import_key(member)
    if not isinstance(key, (ECKey, RSAKey)) or not key.is_private:
        raise _invalid()
    if isinstance(key, ECKey) and key.curve_name != "P-384":
        raise _invalid()
    if isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS:
        raise _invalid()
    return _signing_key(key)


def _signing_key(key: ECKey | RSAKey) -> SigningKey:
    # A kid of the file stays: the EHR may hold the public key under that name.
    return SigningKey(
        key.kid or key.thumbprint(), "ES384" if isinstance(key, ECKey) else "RS384", key
    )


def _described(key: SigningKey, *, private: bool) -> dict[str, Any]:
    use = "sign" if private else "verify"
    described = cast(dict[str, Any], dict(key.key.as_dict(private=private)))
    return {**described, "kid": key.kid, "alg": key.algorithm, "use": "sig", "key_ops": [use]}


def _invalid() -> RegistrationError:
    return RegistrationError(
        "keys_invalid",
        "This app's keys must be a JWK Set with different private keys, EC P-384 or RSA.",
    )
