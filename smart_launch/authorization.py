"""SMART App Launch 2.2.0, "Obtain authorization code": the address the browser is sent to."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import DiscoveryError
from smart_launch.registration import ClientRegistration

_STATE_BYTES = 32  # 256 random bits; SMART asks for at least 122
_VERIFIER_BYTES = 48  # 64 characters; RFC 7636 4.1 allows 43 to 128


@dataclass(frozen=True)
class AuthorizationRequest:
    """An authorization request and the secrets that its answer is checked with.

    Parameters
    ----------
    url : str
        Where the browser goes.
    state : str
        256 random bits, base64url; ties the answer to this request.
    nonce : str
        256 random bits, base64url; ties the id_token to this request.
    code_verifier : str
        384 random bits, base64url; sent only to the token endpoint.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


def build_authorization_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    launch: str | None,
) -> AuthorizationRequest:
    """Build the request for an authorization code, with PKCE S256.

    Parameters
    ----------
    registration : ClientRegistration
        Whose issuer is sent as ``aud``, character by character.
    configuration : SmartConfiguration
        Of that issuer.
    launch : str or None
        The EHR's launch value, sent back unchanged; None for a standalone launch.

    Returns
    -------
    AuthorizationRequest
        Fresh state, nonce and verifier at every call.

    Raises
    ------
    DiscoveryError
        ``authorization_endpoint_missing``; ``pkce_unsupported`` where neither nonce nor PKCE would
        tie the answer to this request.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#obtain-authorization-code; RFC 7636 4.2
    """
    endpoint = _require_endpoint(configuration)
    _require_tie(registration, configuration)
    state, nonce = secrets.token_urlsafe(_STATE_BYTES), secrets.token_urlsafe(_STATE_BYTES)
    verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
    scopes = requested_scopes(registration.scopes, standalone=launch is None)
    parameters = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": registration.redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "aud": registration.issuer,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    if launch is not None:
        parameters["launch"] = launch
    if "openid" in scopes and registration.send_nonce:
        parameters["nonce"] = nonce
    return AuthorizationRequest(_with_parameters(endpoint, parameters), state, nonce, verifier)


def requested_scopes(scopes: tuple[str, ...], *, standalone: bool) -> tuple[str, ...]:
    """Fit the registered scopes to the kind of launch.

    An EHR launch needs ``launch``; a standalone one asks for its patient with
    ``launch/patient`` instead.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#scopes-for-requesting-context-data
    """
    others = tuple(scope for scope in scopes if scope not in ("launch", "launch/patient"))
    if not standalone:
        return ("launch", *others)
    needs_patient = len(others) < len(scopes) or any(s.startswith("patient/") for s in others)
    return ("launch/patient", *others) if needs_patient else others


def code_challenge(code_verifier: str) -> str:
    """S256 challenge of a verifier (RFC 7636 4.2)."""
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _require_endpoint(configuration: SmartConfiguration) -> str:
    if configuration.authorization_endpoint is None:
        raise DiscoveryError(
            "authorization_endpoint_missing",
            "The record system does not say where its users sign in.",
        )
    return configuration.authorization_endpoint


def _require_tie(registration: ClientRegistration, configuration: SmartConfiguration) -> None:
    promised = "S256" in configuration.code_challenge_methods_supported
    if not registration.send_nonce and not promised:
        raise DiscoveryError(
            "pkce_unsupported",
            "The record system neither repeats what protects the sign-in nor promises PKCE.",
        )


def _with_parameters(endpoint: str, parameters: dict[str, str]) -> str:
    # RFC 6749 3.1: a query in the endpoint itself must be kept.
    parts = urlsplit(endpoint)
    own = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*own, *parameters.items()])))
