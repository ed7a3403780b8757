"""How the app proves itself at the token endpoint.

SMART App Launch 2.2.0, client-confidential-asymmetric.html and client-confidential-symmetric.html.
"""

from __future__ import annotations

import base64
import secrets
import time
from urllib.parse import quote_plus

from joserfc import jwt

from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import RegistrationError
from smart_launch.registration import ClientRegistration

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# SMART allows five minutes; one of them is left for a clock of ours that runs ahead.
ASSERTION_LIFETIME_S = 240


def authenticate(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    keys: KeySet | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Form fields and headers that prove who is asking.

    Parameters
    ----------
    registration : ClientRegistration
        Says which of the three ways applies, and may name the only audience.
    configuration : SmartConfiguration
        Whose token endpoint is the audience of an assertion, at the revocation endpoint too.
    keys : KeySet or None
        Needed for ``private_key``.

    Returns
    -------
    (dict, dict)
        Fields and headers. Public: ``client_id``. Secret: HTTP Basic. Private key: an assertion.

    Raises
    ------
    RegistrationError
        ``key_missing`` when the promised key is not there; ``token_endpoint_changed`` when the EHR
        publishes another token endpoint than the registered one.

    References
    ----------
    RFC 6749 2.3.1 (both parts of Basic are form-encoded first); RFC 7523 2.2
    """
    if registration.authentication == "public":
        return {"client_id": registration.client_id}, {}
    if registration.authentication == "secret":
        parts = (registration.client_id, registration.client_secret or "")
        pair = ":".join(quote_plus(part) for part in parts)
        encoded = base64.b64encode(pair.encode("ascii")).decode("ascii")
        return {}, {"Authorization": f"Basic {encoded}"}
    if keys is None:
        raise RegistrationError("key_missing", "This app has no keys, which this EHR was promised.")
    if registration.token_endpoint not in (None, configuration.token_endpoint):
        raise RegistrationError(
            "token_endpoint_changed",
            "The record system must give out tokens where it is registered to; it names another "
            "address.",
        )
    assertion = client_assertion(registration, configuration.token_endpoint, keys)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}, {}


def client_assertion(
    registration: ClientRegistration, token_endpoint: str, keys: KeySet, *, now_s: int | None = None
) -> str:
    """Sign a one-time authentication JWT.

    Parameters
    ----------
    token_endpoint : str
        The audience, exactly the address that is posted to.
    now_s : int, optional
        Seconds since 1970; the clock's when absent.

    Returns
    -------
    str
        Compact JWS: ``alg`` ES384 or RS384, ``kid``, ``typ`` JWT, ``jku`` when registered;
        valid for four minutes; a fresh ``jti`` at every call.

    References
    ----------
    SMART App Launch 2.2.0, client-confidential-asymmetric.html#request
    """
    key = keys.signing_key(registration.signing_algorithm)
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
    if registration.jwks_url is not None:
        header["jku"] = registration.jwks_url
    issued_s = int(time.time()) if now_s is None else now_s
    claims = {
        "iss": registration.client_id,
        "sub": registration.client_id,
        "aud": token_endpoint,
        "iat": issued_s,
        "exp": issued_s + ASSERTION_LIFETIME_S,
        "jti": secrets.token_urlsafe(32),
    }
    return jwt.encode(header, claims, key.key, algorithms=[key.algorithm])
