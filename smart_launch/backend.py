"""SMART Backend Services: a token for reading without a user (backend-services.html)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import RegistrationError, TokenRejected
from smart_launch.http import Http
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import covers, parse
from smart_launch.token import TokenRequest, TokenResponse, build_backend_request
from smart_launch.token_endpoint import request_tokens


def request_backend_token(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    scopes: Sequence[str],
    keys: KeySet | None,
) -> TokenResponse:
    """Ask for an access token of the app itself, with the ``client_credentials`` grant.

    Parameters
    ----------
    registration : ClientRegistration
        Of the backend client, with ``private_key``: nothing else is allowed here.
    scopes : sequence of str
        ``system/`` scopes; always sent.
    keys : KeySet
        Our signing keys.

    Returns
    -------
    TokenResponse
        Without a refresh token, whatever the server sends: a new token is asked for instead.
        ``scope`` holds only what was both asked for and granted.

    Raises
    ------
    RegistrationError
        ``backend_needs_private_key``, ``backend_scopes_invalid`` or ``key_missing``.
    TokenRejected
        The server refused, or ``scopes_missing`` where it granted none of what was asked for.

    References
    ----------
    SMART App Launch 2.2.0, backend-services.html#obtain-access-token; RFC 6749 4.4
    """
    request = _request(registration, configuration, scopes, keys)
    tokens = request_tokens(http, request, scopes)
    kept = [scope for scope in tokens.granted if parse(scope) and _was_asked_for(scope, scopes)]
    if not kept:
        raise TokenRejected(
            "scopes_missing", "The record system allows this app nothing of what it asked for."
        )
    return dataclasses.replace(tokens, scope=" ".join(kept), refresh_token=None, id_token=None)


def _request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    scopes: Sequence[str],
    keys: KeySet | None,
) -> TokenRequest:
    if registration.authentication != "private_key":
        raise RegistrationError(
            "backend_needs_private_key",
            "Reading without a user needs authentication = private_key at this EHR.",
        )
    parsed = [parse(scope) for scope in scopes]
    if not parsed or any(scope is None or scope.level != "system" for scope in parsed):
        raise RegistrationError(
            "backend_scopes_invalid", "Reading without a user needs system/ scopes and no others."
        )
    return build_backend_request(registration, configuration, scopes=scopes, keys=keys)


def _was_asked_for(scope: str, scopes: Sequence[str]) -> bool:
    """Tell whether a granted scope gives anything that was asked for, be it wider or narrower."""
    granted = parse(scope)
    return any(
        covers(scopes, scope)
        or (wanted is not None and granted is not None and granted.includes(wanted))
        for wanted in map(parse, scopes)
    )
