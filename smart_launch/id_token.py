"""Who the user is: the id_token (OpenID Connect Core 1.0, 3.1.3.7).

SMART App Launch 2.2.0, scopes-and-launch-context.html#steps-for-using-an-id-token.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from smart_launch.callback import same_secret
from smart_launch.errors import TokenRejected
from smart_launch.fhir_user import FhirUser, parse_fhir_user
from smart_launch.server_keys import ServerKey

# Only signatures that nobody but the server can make: never "none", never HMAC.
ALLOWED_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
CLOCK_SKEW_S = 60
# joserfc stumbles over some malformed headers instead of refusing them.
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, KeyError)


class _TolerantOfHeaders(jws.JWSRegistry):
    """RFC 7515 4: header parameters that are not understood are ignored (``crit`` is not)."""

    max_header_length = 16 * 1024


_REGISTRY = _TolerantOfHeaders(algorithms=ALLOWED_ALGORITHMS, strict_check_header=False)


class UnknownKey(TokenRejected):
    """The id_token is signed with a key that is not among those at hand."""


@dataclass(frozen=True)
class Identity:
    """The user according to a verified id_token.

    Parameters
    ----------
    issuer, subject : str
        Together they name the user for good.
    user : FhirUser or None
        From ``fhirUser``, or ``profile`` as in SMART v1.
    user_unreadable : bool
        Whether there is a ``fhirUser`` that names no user resource: who it is, is not known.
    """

    issuer: str
    subject: str = field(repr=False)
    user: FhirUser | None = field(default=None, repr=False)
    user_unreadable: bool = False


def verify_id_token(
    id_token: str,
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    server_keys: Sequence[ServerKey],
    fhir_base: str,
    now_s: int | None = None,
) -> Identity:
    """Check signature and claims of an id_token.

    Parameters
    ----------
    id_token : str
        Compact JWS.
    issuer : str
        Issuer from the SMART configuration, compared character by character.
    client_id : str
        Must be in ``aud``; and be ``azp`` where there is one or there are several audiences.
    nonce : str or None
        Of the authorization request; None where it had none.
    server_keys : sequence
        The server's keys. A token without ``kid`` is tried with each that fits its algorithm.
    fhir_base : str
        What a relative ``fhirUser`` belongs to.
    now_s : int, optional
        Seconds since 1970; the clock's when absent. 60 s of clock skew are forgiven.

    Returns
    -------
    Identity

    Raises
    ------
    UnknownKey
        When the key may be a new one: fetch the keys again and retry once.
    TokenRejected
        ``id_token_invalid``, ``algorithm_refused``, ``signature_invalid``, or the claim that
        is wrong: ``issuer_mismatch``, ``audience_mismatch``, ``nonce_mismatch``,
        ``id_token_expired``, ``id_token_from_future``.

    References
    ----------
    OpenID Connect Core 1.0, 3.1.3.7
    """
    claims = _signed_claims(id_token, server_keys)
    if claims.get("iss") != issuer:
        raise _rejected("issuer_mismatch", "was issued by another system")
    _check_audience(claims, client_id)
    _check_nonce(claims, nonce)
    _check_times(claims, int(time.time()) if now_s is None else now_s)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _rejected("id_token_invalid", "names nobody")
    named = claims.get("fhirUser")
    user = parse_fhir_user(named if "fhirUser" in claims else claims.get("profile"), fhir_base)
    return Identity(issuer, subject, user, user_unreadable=bool(named) and user is None)


def _signed_claims(id_token: str, server_keys: Sequence[ServerKey]) -> Mapping[str, Any]:
    header = _header(id_token)
    candidates = _candidates(header, server_keys)
    for key in candidates:
        try:
            return jwt.decode(id_token, key, registry=_REGISTRY).claims
        except _UNREADABLE:
            continue
    if any(key.kid is not None and key.kid == header.get("kid") for key in candidates):
        raise _rejected("signature_invalid", "is not signed by the record system")
    # Without a kid on both sides, a wrong signature and a new key look the same.
    raise UnknownKey("signature_invalid", _sentence("is not signed by the record system"))


def _header(id_token: str) -> Mapping[str, Any]:
    try:
        header = jws.extract_compact(id_token.encode("ascii"), registry=_REGISTRY).headers()
    except _UNREADABLE as error:
        raise _rejected("id_token_invalid", "cannot be read") from error
    if header.get("alg") not in ALLOWED_ALGORITHMS:
        raise _rejected("algorithm_refused", "is not signed in a way that proves its origin")
    return header


def _candidates(
    header: Mapping[str, Any], server_keys: Sequence[ServerKey]
) -> tuple[ServerKey, ...]:
    kid, algorithm = header.get("kid"), header["alg"]
    key_type = "EC" if algorithm.startswith("ES") else "RSA"
    return tuple(
        key
        for key in server_keys
        if key.key_type == key_type
        and key.alg in (None, algorithm)
        and (kid is None or key.kid in (None, kid))
    )


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise _rejected("audience_mismatch", "was issued to another app")
    authorized = claims.get("azp")
    if authorized != client_id and (authorized is not None or len(audiences) > 1):
        raise _rejected("audience_mismatch", "was issued to another app")


def _check_nonce(claims: Mapping[str, Any], nonce: str | None) -> None:
    arrived = claims.get("nonce")
    if nonce is not None and not (isinstance(arrived, str) and same_secret(arrived, nonce)):
        raise _rejected("nonce_mismatch", "belongs to another sign-in")


def _check_times(claims: Mapping[str, Any], now_s: int) -> None:
    expires_s, issued_s = _time(claims, "exp"), _time(claims, "iat")
    if now_s >= expires_s + CLOCK_SKEW_S:
        raise _rejected("id_token_expired", "has expired")
    begins_s = max(issued_s, _time(claims, "nbf")) if "nbf" in claims else issued_s
    if begins_s > now_s + CLOCK_SKEW_S:
        raise _rejected("id_token_from_future", "is dated in the future")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # JSON of Python knows NaN, which is neither before nor after any time.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _rejected("id_token_invalid", f"has no usable {name}")
    return value


def _sentence(what: str) -> str:
    return f"The record system's proof of who you are {what}."


def _rejected(code: str, what: str) -> TokenRejected:
    return TokenRejected(code, _sentence(what))
