"""The hospital's signing key and its id_tokens (OpenID Connect Core 2)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Key = ECKey | RSAKey
ID_TOKEN_S = 300


@dataclass(frozen=True)
class SigningKey:
    """A private key with its algorithm; its id is the thumbprint (RFC 7638)."""

    key: Key
    algorithm: str

    @property
    def kid(self) -> str:
        """Key id."""
        return self.key.thumbprint()

    def public_jwks(self) -> dict[str, Any]:
        """The key set that others check its signatures with."""
        public = self.key.as_dict(private=False)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}]}

    def sign(self, claims: Mapping[str, Any], *, jku: str | None = None) -> str:
        """Sign claims as a compact JWT; ``jku`` says where the public key is served."""
        header = {"typ": "JWT", "alg": self.algorithm, "kid": self.kid}
        if jku is not None:
            header["jku"] = jku
        return jwt.encode(header, dict(claims), self.key, algorithms=[self.algorithm])


_CURVES = {"ES256": "P-256", "ES384": "P-384"}


def generate_signing_key(algorithm: str = "ES256") -> SigningKey:
    """Make a new key for ``ES256``, ``ES384`` or ``RS256``."""
    curve = _CURVES.get(algorithm)
    key: Key = ECKey.generate_key(curve) if curve else RSAKey.generate_key(2048)
    return SigningKey(key, algorithm)


def open_signing_key(path: Path, algorithm: str = "ES256") -> SigningKey:
    """Read the key at ``path``, or make one there, readable by its owner only.

    It outlives a restart, so that clients may cache the key set.
    """
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        kind: type[Key] = ECKey if kept["kty"] == "EC" else RSAKey
        return SigningKey(kind.import_key(kept), algorithm if kept["kty"] == "EC" else "RS256")
    made = generate_signing_key(algorithm)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(made.key.as_dict(private=True), file)
    return made


def make_id_token(
    signing_key: SigningKey,
    *,
    issuer: str,
    client_id: str,
    subject: str,
    fhir_user: str | None,
    nonce: str | None,
) -> str:
    """Make the id_token of a sign-in (SMART 2.2, "Scopes for requesting identity data").

    Parameters
    ----------
    issuer : str
        ``issuer`` of the configuration document.
    client_id : str
        Becomes ``aud``.
    subject : str
        ``Practitioner/<id>`` or ``Patient/<id>``.
    fhir_user : str or None
        Absolute address of the user's resource; None when its scope was not granted.
    nonce : str or None
        As the authorization request gave it.
    """
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject.partition("/")[2],
        "aud": client_id,
        "iat": now,
        "auth_time": now,
        "exp": now + ID_TOKEN_S,
    }
    optional = {"fhirUser": fhir_user, "nonce": nonce}
    return signing_key.sign({**claims, **{k: v for k, v in optional.items() if v}})
