"""The hospital's services, opened once and shared by its routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from sandbox.authorization.assertions import AssertionVerifier
from sandbox.authorization.grants import GrantBook
from sandbox.authorization.keys import SigningKey, open_signing_key
from sandbox.authorization.pending import PendingBook
from sandbox.cds.caller import CdsCaller
from sandbox.clients import Client
from sandbox.launches import LaunchBook

if TYPE_CHECKING:
    from sandbox.fhir_backend import FhirBackend
    from sandbox.settings import SandboxSettings


@dataclass(frozen=True)
class Hospital:
    """Everything behind the routes.

    Attributes
    ----------
    settings : SandboxSettings
    clients : dict
        Registered clients by id.
    fhir : FhirBackend
        The records, without any access check: routes go through ``sandbox.fhir.guard``.
    launches, pending, grants
        Launch codes, sign-ins under way, codes and tokens.
    signing_key : SigningKey
        Signs id_tokens.
    cds : CdsCaller
        Asks clients for cards and signs with a key of its own, so that no signature made for one
        purpose can serve the other.
    assertions : AssertionVerifier
        Checks client assertions and remembers their ``jti``.
    """

    settings: SandboxSettings
    clients: dict[str, Client]
    fhir: FhirBackend
    launches: LaunchBook
    pending: PendingBook
    grants: GrantBook
    signing_key: SigningKey
    cds: CdsCaller
    assertions: AssertionVerifier


def open_hospital(app: Flask, settings: SandboxSettings) -> Hospital:
    """Open the services and hang them on the application."""
    from sandbox.fhir import open_backend

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    house = Hospital(
        settings=settings,
        clients={client.client_id: client for client in settings.clients},
        fhir=open_backend(settings),
        launches=LaunchBook(settings.launch_s),
        pending=PendingBook(),
        grants=GrantBook(
            settings.code_s,
            settings.access_token_s,
            settings.refresh_token_s,
            settings.backend_token_s,
        ),
        signing_key=open_signing_key(settings.data_dir / "signing_key.json"),
        cds=CdsCaller(
            settings, open_signing_key(settings.data_dir / "cds_signing_key.json", "ES384")
        ),
        assertions=AssertionVerifier(settings.token_url),
    )
    app.extensions["sandbox"] = house
    return house


def current() -> Hospital:
    """The hospital of the application that answers the current request."""
    return cast("Hospital", current_app.extensions["sandbox"])
