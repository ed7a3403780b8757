"""SMART App Launch 2.2.0, "Retrieve .well-known/smart-configuration" (conformance.html)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from smart_launch.addresses import origin, resolve, split_secure
from smart_launch.errors import DiscoveryError, TransportError
from smart_launch.http import Http


@dataclass(frozen=True)
class SmartConfiguration:
    """What an EHR says about its authorization server.

    Parameters
    ----------
    fhir_base : str
        Base address that was asked, without a closing slash.
    token_endpoint : str
        Absolute.
    authorization_endpoint : str or None
        Absolute; absent where only backend services are offered.
    issuer : str or None
        Issuer of id_tokens, compared character by character.
    jwks_uri, revocation_endpoint, introspection_endpoint : str or None
        Absolute.
    capabilities, scopes_supported, code_challenge_methods_supported, grant_types_supported, \
    token_endpoint_auth_methods_supported, token_endpoint_auth_signing_alg_values_supported \
    : tuple of str
        As listed by the EHR; empty when it lists none.
    authorization_response_iss_parameter_supported : bool
        Whether every answer to the redirect URI must carry ``iss`` (RFC 9207).

    References
    ----------
    SMART App Launch 2.2.0, conformance.html#using-well-known
    """

    fhir_base: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    issuer: str | None = None
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    capabilities: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False

    @property
    def id_token_issuer(self) -> str:
        """Issuer that id_tokens must name; the FHIR base for servers that name none (v1)."""
        return self.issuer or self.fhir_base

    def is_trusted(self, endpoint: str | None) -> TypeGuard[str]:
        """Tell whether an endpoint may be sent tokens, and the proof of who we are.

        Only where tokens are given out: an assertion is made out to the token endpoint, so that
        whoever else receives it could use it there.
        """
        return endpoint is not None and origin(endpoint) == origin(self.token_endpoint)

    @property
    def untrusted_endpoints(self) -> tuple[str, ...]:
        """Names of endpoints that are not used because they lie elsewhere than tokens do."""
        named = {
            "revocation_endpoint": self.revocation_endpoint,
            "introspection_endpoint": self.introspection_endpoint,
        }
        return tuple(name for name, url in named.items() if url and not self.is_trusted(url))


def fetch_configuration(http: Http, fhir_base: str) -> SmartConfiguration:
    """Ask an EHR for its SMART configuration.

    Parameters
    ----------
    http : Http
        Sends the request.
    fhir_base : str
        A *registered* FHIR base address, never one taken from a query.

    Returns
    -------
    SmartConfiguration

    Raises
    ------
    DiscoveryError
        When it cannot be fetched, or ``read_configuration`` refuses it.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#retrieve-well-knownsmart-configuration
    """
    document = fetch_json(http, fhir_base.rstrip("/") + "/.well-known/smart-configuration")
    return read_configuration(fhir_base, document)


def read_configuration(fhir_base: str, document: Mapping[str, Any]) -> SmartConfiguration:
    """Check a smart-configuration document and resolve its relative addresses.

    Raises
    ------
    DiscoveryError
        ``token_endpoint_missing``; ``endpoint_refused`` for an endpoint that is not https
        outside loopback; ``pkce_unsupported`` for a server that lists PKCE methods without S256.

    References
    ----------
    SMART App Launch 2.2.0, conformance.html#using-well-known (relative addresses belong to the
    FHIR base); RFC 8414.
    """
    base = fhir_base.rstrip("/")
    token_endpoint = _endpoint(base, document, "token_endpoint")
    if token_endpoint is None:
        raise DiscoveryError(
            "token_endpoint_missing",
            "The record system does not say where access tokens are given out.",
        )
    _require_pkce(document)
    return SmartConfiguration(
        fhir_base=base,
        token_endpoint=token_endpoint,
        authorization_endpoint=_endpoint(base, document, "authorization_endpoint"),
        issuer=_text(document, "issuer"),
        jwks_uri=_endpoint(base, document, "jwks_uri"),
        revocation_endpoint=_endpoint(base, document, "revocation_endpoint"),
        introspection_endpoint=_endpoint(base, document, "introspection_endpoint"),
        authorization_response_iss_parameter_supported=(
            document.get("authorization_response_iss_parameter_supported") is True
        ),
        **{name: _texts(document, name) for name in _LISTS},
    )


_LISTS = (
    "capabilities",
    "code_challenge_methods_supported",
    "scopes_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
)


def _require_pkce(document: Mapping[str, Any]) -> None:
    methods = _texts(document, "code_challenge_methods_supported")
    if methods and "S256" not in methods:
        raise DiscoveryError(
            "pkce_unsupported",
            "The record system does not offer the protection of the sign-in that this app "
            "insists on (PKCE with S256).",
        )


def fetch_json(http: Http, url: str) -> dict[str, Any]:
    """Get one JSON object that describes the authorization server."""
    try:
        answer = http.send("GET", url, headers={"Accept": "application/json"})
        if answer.status != 200:
            raise DiscoveryError(
                "configuration_unavailable",
                f"The record system does not describe its sign-in (HTTP status {answer.status}).",
                retryable=answer.status == 429 or answer.status >= 500,
            )
        return answer.json_object()
    except TransportError as error:
        raise DiscoveryError(error.code, error.sentence, retryable=error.retryable) from error


def _endpoint(base: str, document: Mapping[str, Any], name: str) -> str | None:
    value = _text(document, name)
    if value is None:
        return None
    address = resolve(base, value)
    try:
        split_secure(address)
    except TransportError as error:
        raise DiscoveryError(
            "endpoint_refused", f"The record system's {name} cannot be used. {error.sentence}"
        ) from error
    return address


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = document.get(name)
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))
