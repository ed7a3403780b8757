"""SMART App Launch 2.2.0, "Obtain access token" and "Refresh access token"; RFC 7009 revocation.

Requests are built and answers are read as plain values; ``launch.py`` sends them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smart_launch.client_authentication import authenticate
from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import TokenRejected
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import covers

# Visible ASCII: anything else could not be put into an Authorization header unharmed.
_TOKEN = re.compile(r"[!-~]+")
_CODE = re.compile(r"[ -~]{1,4096}")  # RFC 6749 A.11
_LONGEST_LIFETIME_S = 366 * 24 * 3600


@dataclass(frozen=True)
class TokenRequest:
    """A POST to the authorization server: form fields and headers, both secret."""

    url: str
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class TokenResponse:
    """Tokens and launch context as the token endpoint gave them.

    Parameters
    ----------
    access_token : str
        Bearer token.
    expires_in_s : int or None
        Seconds from now; None when the server does not say.
    scope : str
        Granted scopes, separated by blanks.
    refresh_token, id_token : str or None
        As given.
    parameters : mapping
        The whole answer but the tokens: launch context, may name the patient.
    """

    access_token: str = field(repr=False)
    expires_in_s: int | None
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def granted(self) -> tuple[str, ...]:
        """Granted scopes, one by one."""
        return tuple(self.scope.split())


def build_code_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    code: str,
    code_verifier: str,
    keys: KeySet | None = None,
) -> TokenRequest:
    """Trade an authorization code for tokens.

    Raises
    ------
    TokenRejected
        ``code_invalid`` for what cannot be a code: it came through the browser.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#obtain-access-token; RFC 6749 4.1.3; RFC 7636 4.5
    """
    if not _CODE.fullmatch(code):
        raise TokenRejected("code_invalid", "The record system ended the sign-in without a result.")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": registration.redirect_uri,
        "code_verifier": code_verifier,
    }
    return _request(configuration.token_endpoint, form, registration, configuration, keys)


def build_refresh_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    refresh_token: str,
    granted: Sequence[str] = (),
    narrowed_to: Sequence[str] = (),
    keys: KeySet | None = None,
) -> TokenRequest:
    """Ask for a new access token, with the same scopes or fewer.

    Parameters
    ----------
    granted : sequence of str
        Scopes of the launch.
    narrowed_to : sequence of str
        Scopes to ask for; empty leaves ``scope`` out, which means those of the launch.

    Raises
    ------
    TokenRejected
        ``scope_widened`` when `narrowed_to` asks for more than was granted.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#refresh-access-token; RFC 6749 6
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if narrowed_to:
        if not all(covers(granted, scope) for scope in narrowed_to):
            raise TokenRejected("scope_widened", "A refresh may not ask for more than was granted.")
        form["scope"] = " ".join(narrowed_to)
    return _request(configuration.token_endpoint, form, registration, configuration, keys)


def build_backend_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    scopes: Sequence[str],
    keys: KeySet | None,
) -> TokenRequest:
    """Ask for a token of the app itself, without a user.

    References
    ----------
    SMART App Launch 2.2.0, backend-services.html#obtain-access-token; RFC 6749 4.4.2
    """
    form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
    return _request(configuration.token_endpoint, form, registration, configuration, keys)


def build_introspection_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    token: str,
    keys: KeySet | None = None,
) -> TokenRequest | None:
    """Ask what an access token is good for.

    Returns
    -------
    TokenRequest or None
        None where the server offers no introspection, or not at the token endpoint's origin.

    References
    ----------
    RFC 7662 2.1; SMART App Launch 2.2.0, token-introspection.html
    """
    form = {"token": token, "token_type_hint": "access_token"}
    return _request_about_token(
        configuration.introspection_endpoint, form, registration, configuration, keys
    )


def build_revocation_request(
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    *,
    token: str,
    token_type_hint: str = "refresh_token",  # noqa: S107 - a kind of token, not a token
    keys: KeySet | None = None,
) -> TokenRequest | None:
    """Take a token back.

    Returns
    -------
    TokenRequest or None
        None where the server offers no revocation, or not at the token endpoint's origin.

    References
    ----------
    RFC 7009 2.1
    """
    form = {"token": token, "token_type_hint": token_type_hint}
    return _request_about_token(
        configuration.revocation_endpoint, form, registration, configuration, keys
    )


def read_token_response(document: Mapping[str, Any], *, requested: Sequence[str]) -> TokenResponse:
    """Check the token endpoint's answer.

    Parameters
    ----------
    document : mapping
        The JSON object of a 200 answer.
    requested : sequence of str
        What was asked for: an answer without ``scope`` means exactly that (RFC 6749 5.1).

    Raises
    ------
    TokenRejected
        ``access_token_missing`` or ``token_type_unknown``.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#response-5; RFC 6749 5.1
    """
    token_type = document.get("token_type")
    if not isinstance(token_type, str) or token_type.casefold() != "bearer":
        raise TokenRejected(
            "token_type_unknown", "The record system gave a kind of access that is not understood."
        )
    access_token = _token(document, "access_token")
    if access_token is None:
        raise TokenRejected("access_token_missing", "The record system gave no access.")
    scope = document.get("scope")
    return TokenResponse(
        access_token=access_token,
        expires_in_s=_lifetime_s(document.get("expires_in")),
        scope=" ".join((scope if isinstance(scope, str) else " ".join(requested)).split()),
        refresh_token=_token(document, "refresh_token"),
        id_token=_token(document, "id_token"),
        parameters={k: v for k, v in document.items() if k not in _SECRETS},
    )


_SECRETS = frozenset({"access_token", "refresh_token", "id_token"})


def _request_about_token(
    url: str | None,
    form: dict[str, str],
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    keys: KeySet | None,
) -> TokenRequest | None:
    if not configuration.is_trusted(url):
        return None
    return _request(url, form, registration, configuration, keys)


def _request(
    url: str,
    form: dict[str, str],
    registration: ClientRegistration,
    configuration: SmartConfiguration,
    keys: KeySet | None,
) -> TokenRequest:
    fields, headers = authenticate(registration, configuration, keys)
    return TokenRequest(url, {**form, **fields}, {"Accept": "application/json", **headers})


def _token(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _lifetime_s(value: object) -> int | None:
    """Read ``expires_in``; some servers send it as text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(min(max(value, 0), _LONGEST_LIFETIME_S))
