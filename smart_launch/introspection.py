"""What the authorization server says of a token: RFC 7662; SMART App Launch 2.2.0, 2.10."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smart_launch.client_keys import KeySet
from smart_launch.context import logical_id
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import TokenRejected, TransportError
from smart_launch.http import Http
from smart_launch.registration import ClientRegistration
from smart_launch.token import build_introspection_request
from smart_launch.token_endpoint import post


@dataclass(frozen=True)
class Introspection:
    """One token as its server sees it.

    Parameters
    ----------
    active : bool
        Whether it can be used now. The other fields are empty when it cannot.
    scope : str or None
        Scopes, separated by blanks.
    client_id : str or None
        Whom it was given to.
    patient : str or None
        Logical id of the patient in context.
    exp_s : float or None
        When it runs out, in seconds since 1970.
    issuer, subject, fhir_user : str or None
        The user, as in the id_token.

    References
    ----------
    SMART App Launch 2.2.0, token-introspection.html; RFC 7662 2.2
    """

    active: bool
    scope: str | None = None
    client_id: str | None = None
    patient: str | None = field(default=None, repr=False)
    exp_s: float | None = None
    issuer: str | None = None
    subject: str | None = field(default=None, repr=False)
    fhir_user: str | None = field(default=None, repr=False)


def introspect(
    http: Http,
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    token: str,
    keys: KeySet | None = None,
) -> Introspection | None:
    """Ask the authorization server about an access token.

    Parameters
    ----------
    token : str
        The access token, sent to the server that gave it and to no other.
    keys : KeySet, optional
        Ours, for ``private_key``.

    Returns
    -------
    Introspection or None
        None where the server does not offer it at the origin of its token endpoint.

    Raises
    ------
    TokenRejected
        The server refused to say, could not be reached, or answered with something else.

    References
    ----------
    SMART App Launch 2.2.0, token-introspection.html; RFC 7662 2
    """
    request = build_introspection_request(registration, configuration, token=token, keys=keys)
    if request is None:
        return None
    answer = post(http, request)
    try:
        document = answer.json_object()
    except TransportError as error:
        raise TokenRejected(error.code, error.sentence, retryable=error.retryable) from error
    return read_introspection(document)


def read_introspection(document: Mapping[str, Any]) -> Introspection:
    """Check an introspection answer; what has a wrong kind counts as absent.

    Raises
    ------
    TokenRejected
        ``introspection_unreadable`` when it does not say whether the token is active.
    """
    active = document.get("active")
    if not isinstance(active, bool):
        raise TokenRejected(
            "introspection_unreadable", "The record system did not say whether access is given."
        )
    if not active:
        return Introspection(active=False)
    return Introspection(
        active=True,
        scope=_text(document.get("scope")),
        client_id=_text(document.get("client_id")),
        patient=logical_id(document.get("patient"), "Patient"),
        exp_s=_seconds(document.get("exp")),
        issuer=_text(document.get("iss")),
        subject=_text(document.get("sub")),
        fhir_user=_text(document.get("fhirUser")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
