"""A whole launch in two calls, and what may follow: refresh and revocation.

SMART App Launch 2.2.0, app-launch.html. Without a user: ``backend.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from smart_launch.authorization import (
    AuthorizationRequest,
    build_authorization_request,
    requested_scopes,
)
from smart_launch.client_keys import KeySet
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.context import LaunchContext, read_context
from smart_launch.discovery import SmartConfiguration, fetch_configuration
from smart_launch.errors import TokenRejected
from smart_launch.http import Http
from smart_launch.id_token import Identity, UnknownKey, verify_id_token
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import MissingScope, covers, missing_scopes
from smart_launch.server_keys import ServerKey, ServerKeyCache
from smart_launch.token import (
    TokenResponse,
    build_code_request,
    build_refresh_request,
    build_revocation_request,
)
from smart_launch.token_endpoint import post, request_tokens


@dataclass(frozen=True)
class CompletedLaunch:
    """What a launch ended with.

    Parameters
    ----------
    tokens : TokenResponse
        Access token and its company.
    context : LaunchContext
        Patient, encounter, user, fhirContext.
    identity : Identity or None
        The user's verified issuer and subject; None when nobody was named.
    granted : tuple of str
        Granted scopes, those included that the answer itself proves (a patient, a user).
    missing : tuple of MissingScope
        Requested and not granted.
    """

    tokens: TokenResponse
    context: LaunchContext
    identity: Identity | None
    granted: tuple[str, ...]
    missing: tuple[MissingScope, ...]


def begin_launch(
    http: Http,
    registration: ClientRegistration,
    *,
    launch: str | None,
    configurations: ConfigurationCache | None = None,
) -> tuple[SmartConfiguration, AuthorizationRequest]:
    """Discover a *registered* EHR and build the authorization request.

    Parameters
    ----------
    launch : str or None
        The EHR's launch value; None for a standalone launch.
    configurations : ConfigurationCache, optional
        Saves asking the EHR at every launch; asks with limits of its own.

    Raises
    ------
    DiscoveryError

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#launch-app-ehr-launch, #launch-app-standalone-launch
    """
    if configurations is None:
        configuration = fetch_configuration(http, registration.issuer)
    else:
        configuration = configurations.get(registration.issuer)
    return configuration, build_authorization_request(registration, configuration, launch=launch)


def finish_launch(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    code: str,
    code_verifier: str,
    nonce: str,
    keys: KeySet | None = None,
    server_keys: ServerKeyCache | None = None,
    standalone: bool = False,
) -> CompletedLaunch:
    """Trade the code for tokens, verify the user, read the context.

    Parameters
    ----------
    code : str
        From the redirect, after its state was matched and consumed.
    code_verifier, nonce : str
        Of the AuthorizationRequest with that state.
    keys : KeySet, optional
        Ours, for ``private_key``.
    server_keys : ServerKeyCache, optional
        Saves fetching the server's keys at every launch.
    standalone : bool
        Which scopes had been asked for.

    Raises
    ------
    TokenRejected
        No tokens, or an id_token that is not to be trusted.
    DiscoveryError
        When the server's keys cannot be fetched.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#obtain-access-token
    """
    requested = requested_scopes(registration.scopes, standalone=standalone)
    request = build_code_request(
        registration, configuration, code=code, code_verifier=code_verifier, keys=keys
    )
    tokens = request_tokens(http, request, requested)
    identity = None
    if tokens.id_token is not None and "openid" in requested:
        cache = server_keys or ServerKeyCache()
        identity = _identify(http, registration, configuration, tokens.id_token, nonce, cache)
    user = identity.user if identity is not None else None
    context = read_context(tokens.parameters, registration.fhir_base, user=user)
    granted = _granted(tokens, context, identity)
    return CompletedLaunch(tokens, context, identity, granted, missing_scopes(requested, granted))


def refresh(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    refresh_token: str,
    granted: Sequence[str],
    patient: str | None = None,
    keys: KeySet | None = None,
) -> TokenResponse:
    """Get a new access token.

    Parameters
    ----------
    refresh_token : str
        The latest one: servers that rotate revoke everything when an old one comes back.
    granted : sequence of str
        Scopes of the launch; the answer never counts for more.
    patient : str, optional
        Patient of the launch: an answer that names another one is refused.

    Returns
    -------
    TokenResponse
        Whose ``refresh_token`` is the one to keep: the new one, or the old where none came.

    Raises
    ------
    TokenRejected
        ``retryable`` when the server could not be reached and the refresh token may be good.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#refresh-access-token; RFC 9700 4.14.2
    """
    request = build_refresh_request(
        registration, configuration, refresh_token=refresh_token, granted=granted, keys=keys
    )
    tokens = request_tokens(http, request, granted)
    answered = read_context(tokens.parameters, registration.fhir_base).patient
    if patient is not None and answered not in (None, patient):
        raise TokenRejected(
            "patient_changed", "The record system gave access to another patient than before."
        )
    kept = [scope for scope in tokens.granted if covers(granted, scope)]
    return dataclasses.replace(
        tokens, scope=" ".join(kept), refresh_token=tokens.refresh_token or refresh_token
    )


def revoke(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    token: str,
    token_type_hint: str = "refresh_token",  # noqa: S107 - a kind of token, not a token
    keys: KeySet | None = None,
) -> bool:
    """Take a token back; with the refresh token the access tokens go too.

    Returns
    -------
    bool
        False where the server offers no revocation at the origin of its token endpoint.

    Raises
    ------
    TokenRejected
        When the server refused or could not be reached.

    References
    ----------
    RFC 7009 2
    """
    request = build_revocation_request(
        registration, configuration, token=token, token_type_hint=token_type_hint, keys=keys
    )
    if request is None:
        return False
    post(http, request)
    return True


def _identify(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    id_token: str,
    nonce: str,
    cache: ServerKeyCache,
) -> Identity:
    def verified(server_keys: Sequence[ServerKey]) -> Identity:
        return verify_id_token(
            id_token,
            issuer=configuration.id_token_issuer,
            client_id=registration.client_id,
            nonce=nonce if registration.send_nonce else None,
            server_keys=server_keys,
            fhir_base=registration.fhir_base,
        )

    kept = cache.kept(configuration)
    if kept is not None:
        try:
            return verified(kept)
        except UnknownKey:
            pass  # the server may have changed its keys since: ask once
    return verified(cache.fetched(http, configuration))


def _granted(
    tokens: TokenResponse, context: LaunchContext, identity: Identity | None
) -> tuple[str, ...]:
    """Granted scopes, corrected by what the answer holds: servers forget to list these."""
    proofs = {
        "launch": context.patient is not None,
        "launch/patient": context.patient is not None,
        "launch/encounter": context.encounter is not None,
        "openid": identity is not None,
        "fhirUser": context.user is not None,
        "online_access": tokens.refresh_token is not None,
    }
    proven = [scope for scope, holds in proofs.items() if holds]
    refutable = {**proofs, "offline_access": tokens.refresh_token is not None}
    listed = [scope for scope in tokens.granted if refutable.get(scope, True)]
    return tuple(dict.fromkeys([*listed, *proven]))
