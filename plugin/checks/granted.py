"""What may Wetread do there? The scopes of the newest open launch, and of unattended reading."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plugin.checks.registered import UNSIGNED
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.launching.launches import OpenLaunch
from plugin.record import Record
from plugin.scopes import ESSENTIAL_SCOPES
from plugin.services import Services
from smart_launch.backend import request_backend_token
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import FhirError, FhirNotFound, SmartError
from smart_launch.fhir_addresses import split_reference
from smart_launch.scopes import missing_scopes

HOW_TO_LAUNCH = (
    "Open Wetread once from a chart that has a chest X-ray, leave the page open, and run this "
    "again: study, archive and writing are checked with that sign-in."
)

REGISTER_BACKEND = (
    "Check backend_client_id, that the EHR has our key address, and its system scopes."
)


def check_launch_scopes(subject: str, launch: OpenLaunch) -> Iterator[Result]:
    """List what a user was not granted, each with what that means."""
    missing = missing_scopes(launch.ehr.scopes, launch.granted)
    # An EHR launch has one of the two, whichever was asked for.
    missing = tuple(one for one in missing if one.scope not in ("launch", "launch/patient"))
    if not missing:
        yield Result("ok", subject, "scopes", "the newest launch was granted every scope")
    essential = missing_scopes(ESSENTIAL_SCOPES, launch.granted)
    for one in missing:
        yield Result(
            "failure" if one in essential else "warning", subject, "scope_missing",
            f"{one.scope} is not granted: {one.sentence}",
            "Let the EHR's administrator allow this scope to Wetread's client.",
        )  # fmt: skip


def check_user(subject: str, record: Record, launch: OpenLaunch) -> Iterator[Result]:
    """Look whether the server knows the user whom its sign-in names: the Provenance refers to it.

    Reading staff needs a scope that Wetread does not ask for, so a refusal says nothing.
    """
    if launch.user is None:
        yield Result(
            "warning", subject, "user_missing", "the newest launch names no user",
            "Let the EHR send fhirUser in the id_token: the Provenance then says who asked.",
        )  # fmt: skip
        return
    try:
        record.read(*split_reference(launch.user, record.base_url))
    except FhirNotFound:
        yield Result(
            "failure", subject, "user_unknown",
            f"fhirUser names a {_type_of(launch.user)} that this server does not have",
            "Let fhirUser name an entry of this FHIR server: it may refuse reports otherwise.",
        )  # fmt: skip
    except FhirError:
        return
    else:
        yield Result("ok", subject, "user", "it has the user whom the newest launch names")


def _type_of(reference: str) -> str:
    found = re.search(r"([A-Z][A-Za-z]{0,63})/[^/]*$", reference)
    return found[1] if found else "user"


def check_backend(
    services: Services, ehr: Ehr, configuration: SmartConfiguration
) -> Iterator[Result]:
    """Ask for a token for unattended reading, and compare its scopes."""
    registration = ehr.backend_registration(services.settings.jwks_url)
    if registration is None:
        return
    subject = f"EHR {ehr.id}"
    try:
        tokens = request_backend_token(
            services.http, registration, configuration,
            scopes=ehr.backend_scopes, keys=services.keys.signing,
        )  # fmt: skip
    except SmartError as error:
        yield Result(
            "failure", subject, "backend",
            f"it gives no token for unattended reading ({error.code})",
            UNSIGNED.get(error.code, REGISTER_BACKEND),
        )  # fmt: skip
        return
    missing = missing_scopes(ehr.backend_scopes, tokens.granted)
    if not missing:
        text = "unattended reading is granted every scope"
        yield Result("ok", subject, "backend", text)
    for one in missing:
        yield Result(
            "warning", subject, "backend_scope_missing",
            f"{one.scope} is not granted for unattended reading: {one.sentence}",
            "Let the EHR's administrator allow this scope to the backend client.",
        )  # fmt: skip
