"""What the authorization server says of the token that it has just given, against what it gave.

A server that does not offer introspection, or refuses it to this client, says nothing: the launch
goes on. So does a bare "not active": that is also the answer to a client that may not ask about
this token (RFC 7662 2.2; Keycloak says it to all but the token's audience), and a token that is
dead indeed fails at the first request. One whose own answer contradicts the launch is not believed
in either. A public client cannot prove who it is, which introspection needs (RFC 7662 2.1): it
would only fill the server's log with refused requests, and does not ask.
"""

from __future__ import annotations

import logging

from plugin.ehrs import Ehr
from plugin.errors import LaunchDenied
from plugin.services import Services
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import SmartError
from smart_launch.fhir_user import parse_fhir_user
from smart_launch.introspection import Introspection, introspect
from smart_launch.launch import CompletedLaunch
from smart_launch.registration import ClientRegistration

log = logging.getLogger("wetread.launch")


def check_token(
    services: Services,
    ehr: Ehr,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    completed: CompletedLaunch,
) -> None:
    """Ask about the access token of a launch, where that is offered.

    Raises
    ------
    LaunchDenied
        It belongs to another client, patient or user than the launch.

    References
    ----------
    SMART App Launch 2.2.0, token-introspection.html; RFC 7662
    """
    if registration.authentication == "public":
        return
    try:
        told = introspect(
            services.brief_http,
            registration,
            configuration,
            token=completed.tokens.access_token,
            keys=services.keys.signing,
        )
    except SmartError as error:
        log.info("introspection_refused", extra={"ehr": ehr.id, "code": error.code})
        return
    if told is not None and not told.active:
        log.info("introspection_withheld", extra={"ehr": ehr.id})
        return
    contradiction = None if told is None else _contradiction(told, registration, completed)
    if contradiction is not None:
        raise LaunchDenied(
            f"What the hospital system says of a sign-in must fit; {contradiction}.",
            code="token_contradicted",
            next_step="Open Wetread again; if it happens again, tell your administrator.",
            status=403,
        )


def _contradiction(
    told: Introspection, registration: ClientRegistration, completed: CompletedLaunch
) -> str | None:
    """Name what does not fit; what the server leaves out contradicts nothing."""
    if told.client_id not in (None, registration.client_id):
        return "it says that this one belongs to another app"
    if told.patient not in (None, completed.context.patient):
        return "it says that this one is for another patient"
    # Not `sub`: some servers name the user by a login here, and by a number in the id_token.
    user, named = completed.context.user, parse_fhir_user(told.fhir_user, registration.fhir_base)
    if user is not None and named is not None and named.reference != user.reference:
        return "it says that this one is another user's"
    return None
