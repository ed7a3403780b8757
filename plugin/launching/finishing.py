"""The end of a launch, top to bottom: state, issuer, error, tokens, patient, user, scopes."""

from __future__ import annotations

import logging

from plugin.ehrs import Ehr
from plugin.errors import LaunchDenied
from plugin.launching.callback_request import CallbackRequest
from plugin.launching.held_tokens import HeldTokens
from plugin.launching.introspecting import check_token
from plugin.scopes import ESSENTIAL_SCOPES
from plugin.services import Services
from smart_launch.callback import check_authorization_error, check_response_issuer
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import LaunchRefused, SmartError
from smart_launch.launch import CompletedLaunch, finish_launch
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import missing_scopes

log = logging.getLogger("wetread.launch")


def finish(services: Services, ehr: Ehr, arrived: CallbackRequest) -> str:
    """Finish a launch and give its handle.

    Raises
    ------
    LaunchDenied
        State, binder, patient, user or scopes are not as they must be.
    SmartError
        The authorization server refused, or its answer must not be used.
    """
    pending = services.states.consume(ehr, arrived.state, arrived.binder)
    registration = ehr.registration(services.settings.jwks_url)
    configuration = services.configurations.get(ehr.issuer)
    check_response_issuer(configuration, arrived.iss)
    check_authorization_error(arrived.error)
    if not arrived.code:
        raise LaunchDenied("A sign-in must end with a code; this one did not.", code="code_missing")
    try:
        completed = finish_launch(
            services.http,
            registration,
            configuration,
            code=arrived.code,
            code_verifier=pending.code_verifier,
            nonce=pending.nonce,
            keys=services.keys.signing,
            server_keys=services.server_keys,
            standalone=pending.standalone,
        )
    except SmartError:
        # The EHR may have moved since it was asked: the next launch asks again.
        services.configurations.forget(ehr.issuer)
        raise
    _check_or_give_back(services, ehr, registration, configuration, completed)
    launch_id, handle = services.launches.open(ehr, completed)
    log.info("launch_opened", extra={"ehr": ehr.id, "launch": launch_id})
    return handle


def _check_or_give_back(
    services: Services,
    ehr: Ehr,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    completed: CompletedLaunch,
) -> None:
    """Refuse what must not be opened; its tokens are then revoked."""
    try:
        check_completed(completed)
        check_token(services, ehr, registration, configuration, completed)
    except (LaunchDenied, LaunchRefused):
        held = HeldTokens.of(completed.tokens, services.launches.clock())
        services.tokens.revoke_unopened(registration, configuration, held)
        raise


def check_completed(completed: CompletedLaunch) -> None:
    """Refuse a launch without a patient, of a patient, or without the scopes that reading needs.

    A user who is named in a way that cannot be read may be a patient, and is refused too.

    Raises
    ------
    LaunchDenied
        In words for the user.
    """
    completed.context.require_patient()
    _check_user(completed)
    lacking = missing_scopes(ESSENTIAL_SCOPES, completed.granted)
    if lacking:
        raise LaunchDenied(
            " ".join(entry.sentence for entry in lacking),
            code="scopes_missing",
            title="Wetread may not see what it needs",
            next_step="Open Wetread again and allow this access, or ask your administrator.",
            status=403,
        )


def _check_user(completed: CompletedLaunch) -> None:
    if completed.identity is not None and completed.identity.user_unreadable:
        raise LaunchDenied(
            "A user must be named as a FHIR resource; this one is named in another way.",
            code="user_unreadable",
            title="Wetread cannot tell who you are",
            next_step="Ask your administrator: the sign-in names you in an unusual way.",
            status=403,
        )
    user = completed.context.user
    if user is not None and user.is_patient:
        raise LaunchDenied(
            "Wetread is for clinicians; you are signed in as a patient or a relative.",
            code="user_is_patient",
            title="Wetread is for clinicians",
            next_step="Ask your care team about your images.",
            status=403,
        )
