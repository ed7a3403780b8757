"""The JWT by which an EHR proves that it calls (CDS Hooks 2.0, "Trusting CDS Clients"). Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from plugin.cds.errors import CallerUnknown
from smart_launch.server_keys import ServerKey

# The two that the specification recommends: a signature that only the EHR can make.
KEY_TYPES = {"ES384": "EC", "RS384": "RSA"}
LONGEST_TOKEN = 8192
LONGEST_ID = 256
# The specification sets no limit; the longest that a vendor documents (Epic).
LONGEST_LIFE_S = 900
CLOCK_SKEW_S = 30
# joserfc stumbles over some malformed headers instead of refusing them.
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


class _TolerantOfHeaders(jws.JWSRegistry):
    """RFC 7515 4: header parameters that are not understood are ignored (``crit`` is not)."""

    max_header_length = LONGEST_TOKEN


_REGISTRY = _TolerantOfHeaders(algorithms=list(KEY_TYPES), strict_check_header=False)


@dataclass(frozen=True)
class UnverifiedToken:
    """A token that can be read; nothing in it is proved yet.

    Attributes
    ----------
    issuer : str
        Tells whose keys must verify it.
    key_id : str
        Tells which of them.
    keys_address : str or None
        `jku`: never asked, only compared with the registered address.
    """

    compact: str = field(repr=False)
    algorithm: str
    key_id: str
    keys_address: str | None
    issuer: str


@dataclass(frozen=True)
class ProvedCall:
    """What a verified token says of its call.

    Attributes
    ----------
    jti : str
        Names the token; to be accepted once.
    usable_until_s : float
        Until when the token would be accepted, seconds since the epoch.
    """

    jti: str = field(repr=False)
    usable_until_s: float


def read_authorization(header: str | None) -> UnverifiedToken:
    """Read the `Authorization` header of a call.

    Raises
    ------
    CallerUnknown
        ``jwt_missing``, ``jwt_unreadable``, ``algorithm_refused`` or ``key_id_missing``.
    """
    scheme, _, compact = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not compact:
        raise CallerUnknown("Every call must carry a JWT as bearer token.", code="jwt_missing")
    if len(compact) > LONGEST_TOKEN:
        raise _unreadable()
    try:
        parts = jws.extract_compact(compact.encode("ascii"), registry=_REGISTRY)
        header_parts, claims = parts.headers(), json.loads(parts.payload)
    except _UNREADABLE as error:
        raise _unreadable() from error
    _check_header(header_parts)
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    jku = header_parts.get("jku")
    if not isinstance(issuer, str) or not isinstance(jku, str | None):
        raise _unreadable()
    return UnverifiedToken(compact, header_parts["alg"], header_parts["kid"], jku, issuer)


def verify(
    token: UnverifiedToken, keys: Iterable[ServerKey], audience: str, now_s: float
) -> ProvedCall:
    """Check signature and claims.

    Parameters
    ----------
    keys : iterable
        The registered EHR's keys.
    audience : str
        Address of the service; `aud` must be this and nothing beside it.
    now_s : float
        Seconds since the epoch; 30 s of clock skew are forgiven.

    Raises
    ------
    CallerUnknown
        ``signature_invalid``, ``audience_foreign``, ``jwt_expired``, ``jwt_from_future``,
        ``jwt_lives_too_long``, ``jti_missing`` or ``jwt_unreadable``.
    """
    claims = _signed_claims(token, keys)
    if claims.get("aud") not in (audience, [audience]):
        raise CallerUnknown(
            "`aud` must be the address of this service, and nothing else.", code="audience_foreign"
        )
    expires_s = _check_times(claims, now_s)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_ID:
        raise CallerUnknown("A JWT must have a `jti` of its own.", code="jti_missing")
    return ProvedCall(jti, expires_s + CLOCK_SKEW_S)


def _check_header(header: Mapping[str, Any]) -> None:
    # extract_compact reads tokens of every algorithm.
    if header.get("alg") not in tuple(KEY_TYPES):
        raise CallerUnknown(
            f"A JWT must be signed with {' or '.join(KEY_TYPES)}.", code="algorithm_refused"
        )
    if str(header.get("typ", "JWT")).upper() != "JWT" or "crit" in header:
        raise _unreadable()
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_ID:
        raise CallerUnknown("A JWT must name its key (`kid`).", code="key_id_missing")


def _signed_claims(token: UnverifiedToken, keys: Iterable[ServerKey]) -> Mapping[str, Any]:
    for key in keys:
        if key.kid != token.key_id or not _fits(key, token.algorithm):
            continue
        try:
            claims = jwt.decode(token.compact, key, registry=_REGISTRY).claims
        except _UNREADABLE:
            continue
        if claims.get("iss") == token.issuer:
            return claims
    raise CallerUnknown(
        "A JWT must be signed with a key that the EHR publishes.", code="signature_invalid"
    )


def _fits(key: ServerKey, algorithm: str) -> bool:
    return key.key_type == KEY_TYPES[algorithm] and key.alg in (None, algorithm)


def _check_times(claims: Mapping[str, Any], now_s: float) -> float:
    """Give `exp`."""
    expires_s, issued_s = _time(claims, "exp"), _time(claims, "iat")
    if now_s >= expires_s + CLOCK_SKEW_S:
        raise CallerUnknown("A JWT must not have expired.", code="jwt_expired")
    begins_s = max(issued_s, _time(claims, "nbf")) if "nbf" in claims else issued_s
    if begins_s > now_s + CLOCK_SKEW_S:
        raise CallerUnknown("A JWT must not be of the future.", code="jwt_from_future")
    if expires_s - issued_s > LONGEST_LIFE_S:
        raise CallerUnknown(
            "A JWT must not live longer than 15 minutes.", code="jwt_lives_too_long"
        )
    return expires_s


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # JSON of Python knows NaN, which is neither before nor after any time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise CallerUnknown(f"A JWT must have a usable `{name}`.", code="jwt_unreadable")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number larger than any float
        return False


def _unreadable() -> CallerUnknown:
    return CallerUnknown(
        "The bearer token of a call must be a JWT as CDS Hooks 2.0 describes it.",
        code="jwt_unreadable",
    )
