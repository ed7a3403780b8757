"""Checks of an authorization request (SMART 2.2 "Obtain authorization code"; RFC 6749 4.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from sandbox.clients import Client
from sandbox.errors import AuthorizeRefused
from sandbox.scopes import clinical_scopes, grant, split_scopes

# RFC 7636 4.2: base64url of a SHA-256 digest, without padding.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request whose client, addresses, PKCE, audience and scopes have been checked.

    Attributes
    ----------
    client : Client
    redirect_uri, state, challenge : str
    launch : str or None
        The launch code of an EHR launch; None for a standalone launch.
    scopes : tuple of str
        Already cut down to what the client is registered for.
    nonce : str or None
    """

    client: Client
    redirect_uri: str
    state: str
    challenge: str
    launch: str | None
    scopes: tuple[str, ...]
    nonce: str | None


def read_authorization_request(
    parameters: MultiDict[str, str], clients: Mapping[str, Client], fhir_base: str
) -> AuthorizationRequest:
    """Check the parameters of ``/auth/authorize``.

    Parameters
    ----------
    parameters : werkzeug.datastructures.MultiDict
        Query of a GET or form of a POST.
    clients : mapping
        Registered clients by id.
    fhir_base : str
        The only ``aud`` that is accepted, character by character.

    Raises
    ------
    AuthorizeRefused
        Without ``redirect_uri`` unless client and redirect URI are proven to belong together.
    """
    client, redirect_uri = _client_and_redirect(parameters, clients)
    state = parameters.get("state", "")

    def refuse(code: str, text: str) -> AuthorizeRefused:
        return AuthorizeRefused(code, text, redirect_uri, state)

    if (problem := _first_problem(parameters, fhir_base)) is not None:
        raise refuse(*problem)
    try:
        requested = split_scopes(parameters["scope"])
    except ValueError as error:
        raise refuse("invalid_scope", str(error)) from error
    launch = parameters.get("launch") or None
    if ("launch" in requested) != (launch is not None):
        raise refuse("invalid_request", "scope launch and parameter launch belong together")
    if any(scope.context == "system" for scope in clinical_scopes(requested)):
        raise refuse("invalid_scope", "system/ scopes are for clients that nobody signs in to")
    scopes = grant(requested, split_scopes(client.scopes))
    if launch is not None and "launch" not in scopes:
        raise refuse("invalid_scope", "the client is not registered for EHR launches")
    if not scopes:
        raise refuse("invalid_scope", "none of the scopes is registered for this client")
    challenge, nonce = parameters["code_challenge"], parameters.get("nonce") or None
    return AuthorizationRequest(client, redirect_uri, state, challenge, launch, scopes, nonce)


def _client_and_redirect(
    parameters: MultiDict[str, str], clients: Mapping[str, Client]
) -> tuple[Client, str]:
    """RFC 6749 4.1.2.1: as long as these two are in doubt, nothing is redirected."""
    if len(parameters.getlist("client_id")) != 1 or len(parameters.getlist("redirect_uri")) != 1:
        raise AuthorizeRefused("invalid_request", "client_id and redirect_uri are needed, once")
    client = clients.get(parameters["client_id"])
    if client is None:
        raise AuthorizeRefused("invalid_request", "the client is not registered")
    if not client.interactive or parameters["redirect_uri"] not in client.redirect_uris:
        raise AuthorizeRefused("invalid_request", "redirect_uri must be exactly a registered one")
    return client, parameters["redirect_uri"]


def _first_problem(parameters: MultiDict[str, str], fhir_base: str) -> tuple[str, str] | None:
    if any(len(values) != 1 for _, values in parameters.lists()):
        return "invalid_request", "no parameter may come twice"
    missing = [
        name for name in ("response_type", "state", "scope", "aud") if name not in parameters
    ]
    if missing:
        return "invalid_request", f"missing: {', '.join(missing)}"
    if parameters["response_type"] != "code":
        return "unsupported_response_type", "response_type must be code"
    if not parameters["state"]:
        return "invalid_request", "state must not be empty"
    if parameters["aud"] != fhir_base:
        return "invalid_request", "aud must be exactly this server's FHIR base"
    if parameters.get("code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    if not _CHALLENGE.fullmatch(parameters.get("code_challenge", "")):
        return "invalid_request", "code_challenge must be a base64url SHA-256 digest"
    return None
