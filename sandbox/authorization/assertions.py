"""Client assertions (SMART 2.2, "Client Authentication: Asymmetric"; RFC 7523)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import extract_compact

from sandbox.clients import Client
from sandbox.errors import OAuthError

ALGORITHMS = ["ES384", "RS384"]
LONGEST_LIFE_S = 300
KEYS_FRESH_S = 300
REFETCH_AFTER_S = 5
FETCH_TIMEOUT_S = 5


def _refuse(text: str) -> OAuthError:
    return OAuthError("invalid_client", text)


class AssertionVerifier:
    """Checks assertions and remembers each ``jti`` until it has run out.

    Parameters
    ----------
    token_url : str
        The audience that an assertion must name.
    """

    def __init__(self, token_url: str) -> None:
        self._token_url = token_url
        self._seen: dict[tuple[str, str], float] = {}
        self._keys: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def verify(self, assertion: str, client: Client) -> None:
        """Accept the assertion of this client, or refuse it.

        Raises
        ------
        OAuthError
            ``invalid_client``, with the rule that was broken.
        """
        header = _header(assertion)
        kid = _check_header(header, client)
        key = self._key(client, kid)
        try:
            token = jwt.decode(assertion, key, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise _refuse("the assertion's signature does not match the registered key") from error
        self._check_claims(token.claims, client)

    def _check_claims(self, claims: Mapping[str, Any], client: Client) -> None:
        now = time.time()
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise _refuse("iss and sub must be the client_id")
        audience = claims.get("aud")
        if self._token_url not in (audience if isinstance(audience, list) else [audience]):
            raise _refuse("aud must be the token URL")
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or isinstance(expires, bool):
            raise _refuse("exp must be a number of seconds")
        if not now < expires <= now + LONGEST_LIFE_S:
            raise _refuse("exp must lie in the future, by five minutes at most")
        not_before = claims.get("nbf", 0)
        if not isinstance(not_before, int | float) or not_before > now:
            raise _refuse("nbf must not lie in the future")
        self._use_up(client.client_id, claims.get("jti"), float(expires), now)

    def _use_up(self, client_id: str, jti: object, expires: float, now: float) -> None:
        if not isinstance(jti, str) or not jti:
            raise _refuse("jti is needed")
        with self._lock:
            self._seen = {key: end for key, end in self._seen.items() if end > now}
            if (client_id, jti) in self._seen:
                raise _refuse("the assertion has been used before")
            self._seen[client_id, jti] = expires

    def _key(self, client: Client, kid: str) -> ECKey | RSAKey:
        found = _find(self._key_set(client, fresh_s=KEYS_FRESH_S), kid)
        if found is None and client.jwks_url:
            # A key that is not in the cached set may be a new one: fetch again, not too often.
            found = _find(self._key_set(client, fresh_s=REFETCH_AFTER_S), kid)
        if found is None:
            raise _refuse("kid must name a key of the client's registered key set")
        return found

    def _key_set(self, client: Client, *, fresh_s: int) -> Mapping[str, Any]:
        if client.jwks is not None:
            return client.jwks
        address = client.jwks_url or ""
        now = time.monotonic()
        with self._lock:
            fetched, keys = self._keys.get(address, (-1.0, {}))
        if fetched >= 0 and now - fetched < fresh_s:
            return keys
        keys = _fetch(address)
        with self._lock:
            self._keys[address] = (now, keys)
        return keys


def _header(assertion: str) -> Mapping[str, Any]:
    try:
        return extract_compact(assertion.encode()).headers()
    except (JoseError, ValueError) as error:
        raise _refuse("client_assertion must be a compact JWT") from error


def claimed_client(assertion: str) -> str:
    """The ``sub`` that an assertion claims, unchecked: it only says whose keys to look at."""
    try:
        claims = json.loads(extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError) as error:
        raise _refuse("client_assertion must be a compact JWT") from error
    return str(claims.get("sub", "")) if isinstance(claims, dict) else ""


def _check_header(header: Mapping[str, Any], client: Client) -> str:
    if header.get("alg") not in ALGORITHMS:
        raise _refuse("alg must be ES384 or RS384")
    if header.get("typ") != "JWT":
        raise _refuse("typ must be JWT")
    if "jku" in header and header["jku"] != client.jwks_url:
        raise _refuse("jku must be the registered key set address")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _refuse("kid is needed")
    return kid


def _find(keys: Mapping[str, Any], kid: str) -> ECKey | RSAKey | None:
    for entry in keys.get("keys", ()):
        if isinstance(entry, dict) and entry.get("kid") == kid:
            kind: type[ECKey] | type[RSAKey] = ECKey if entry.get("kty") == "EC" else RSAKey
            try:
                return kind.import_key(entry)
            except (JoseError, ValueError, KeyError):
                return None
    return None


def _fetch(address: str) -> dict[str, Any]:
    """Fetch a client's key set; its address was registered, so no one chooses it per request."""
    try:
        response = requests.get(
            address,
            headers={"Accept": "application/json"},
            timeout=FETCH_TIMEOUT_S,
            allow_redirects=False,
        )
        keys = response.json() if response.status_code == 200 else None
    except (requests.RequestException, ValueError) as error:
        raise _refuse("the client's key set could not be fetched") from error
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise _refuse("the client's key set could not be fetched")
    return keys
