"""The authorization server's public keys (OpenID Connect Discovery 1.0, RFC 7517)."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from smart_launch.addresses import split_secure
from smart_launch.discovery import SmartConfiguration, fetch_json
from smart_launch.errors import DiscoveryError, TransportError
from smart_launch.http import Http

ServerKey = ECKey | RSAKey
_MOST_KEYS = 50


class ServerKeyCache:
    """Keeps each server's keys for some minutes; safe to share between threads.

    Parameters
    ----------
    lifetime_s : float
        How long a set of keys is used without asking again.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self, lifetime_s: float = 600.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[float, tuple[ServerKey, ...]]] = {}

    def kept(self, configuration: SmartConfiguration) -> tuple[ServerKey, ...] | None:
        """Keys of this server that are still fresh; None when they must be fetched."""
        with self._lock:
            fetched_s, keys = self._entries.get(configuration.fhir_base, (float("-inf"), ()))
        return keys if self._clock() - fetched_s < self._lifetime_s else None

    def fetched(self, http: Http, configuration: SmartConfiguration) -> tuple[ServerKey, ...]:
        """Fetch the keys of this server and keep them.

        Raises
        ------
        DiscoveryError
            When the server does not say where they are, or they cannot be fetched.
        """
        keys = fetch_server_keys(http, configuration)
        with self._lock:
            self._entries[configuration.fhir_base] = (self._clock(), keys)
        return keys


def fetch_server_keys(http: Http, configuration: SmartConfiguration) -> tuple[ServerKey, ...]:
    """Fetch the keys that id_tokens are signed with.

    Taken from ``jwks_uri``; where the SMART configuration has none, from the
    openid-configuration of the issuer, which must name itself as that issuer.

    Raises
    ------
    DiscoveryError
        ``keys_unknown``, ``issuer_mismatch`` or whatever kept them from being fetched.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#steps-for-using-an-id-token;
    OpenID Connect Discovery 1.0, 4.3
    """
    address = configuration.jwks_uri or _jwks_uri_of_issuer(http, configuration.id_token_issuer)
    return read_server_keys(fetch_json(http, address))


def read_server_keys(document: Mapping[str, Any]) -> tuple[ServerKey, ...]:
    """Read the usable keys of a JWK Set: public, EC or RSA of at least 2048 bits, for signing.

    Symmetric keys are left out: with one, anybody who knows it could sign.
    """
    members = document.get("keys")
    if not isinstance(members, list):
        raise _unknown()
    keys = (_usable(member) for member in members[:_MOST_KEYS])
    return tuple(key for key in keys if key is not None)


def _usable(member: object) -> ServerKey | None:
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            key = JWKRegistry.import_key(member)
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, (ECKey, RSAKey)) else None


def _jwks_uri_of_issuer(http: Http, issuer: str) -> str:
    document = fetch_json(http, issuer.rstrip("/") + "/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise DiscoveryError(
            "issuer_mismatch", "The record system's sign-in names itself in two different ways."
        )
    address = document.get("jwks_uri")
    if not isinstance(address, str):
        raise _unknown()
    try:
        split_secure(address)
    except TransportError as error:
        raise _unknown() from error
    return address


def _unknown() -> DiscoveryError:
    return DiscoveryError(
        "keys_unknown", "The record system does not publish the keys of its sign-in."
    )
