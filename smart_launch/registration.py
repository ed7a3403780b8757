"""How this app is registered with one EHR (SMART App Launch 2.2.0, "Register App with EHR")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from smart_launch.addresses import split_secure
from smart_launch.errors import RegistrationError, TransportError

Authentication = Literal["public", "secret", "private_key"]
SigningAlgorithm = Literal["ES384", "RS384"]
SIGNING_ALGORITHMS: tuple[SigningAlgorithm, ...] = ("ES384", "RS384")


@dataclass(frozen=True)
class ClientRegistration:
    """One EHR's entry: what was agreed when the app was registered there.

    Parameters
    ----------
    issuer : str
        FHIR base URL, character by character as the EHR names it: it is sent as ``aud``,
        and servers compare it as text (a closing slash matters).
    client_id : str
        Assigned by the EHR.
    authentication : {"public", "secret", "private_key"}
        How the app proves itself at the token endpoint.
    redirect_uri : str
        Exactly one of the registered redirect URIs.
    scopes : tuple of str
        What the app asks for, v2 syntax. ``launch`` is replaced by ``launch/patient`` in a
        standalone launch.
    client_secret : str, optional
        Only, and always, with ``secret``.
    signing_algorithm : {"ES384", "RS384"}
        For ``private_key``: which of our keys signs the assertion.
    jwks_url : str, optional
        Where our public keys are served, when the EHR registered that address; sent as ``jku``.
    send_nonce : bool
        False for an EHR whose id_tokens do not repeat the nonce: then none is sent, and the EHR
        must promise PKCE, which ties the code to its launch as well (RFC 9700 2.1.1).
    token_endpoint : str, optional
        The only token endpoint that our keys sign for, whatever the EHR publishes.

    Raises
    ------
    RegistrationError
        When an entry breaks one of these rules.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#register-app-with-ehr
    """

    issuer: str
    client_id: str
    authentication: Authentication
    redirect_uri: str
    scopes: tuple[str, ...]
    client_secret: str | None = field(default=None, repr=False)
    signing_algorithm: str = "ES384"
    jwks_url: str | None = None
    send_nonce: bool = True
    token_endpoint: str | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that could only fail later, in front of a clinician."""
        _require_address("issuer", self.issuer)
        _require_address("redirect_uri", self.redirect_uri)
        if "?" in self.issuer:
            raise _broken("issuer must be a FHIR base address without a query")
        if self.jwks_url is not None:
            _require_address("jwks_url", self.jwks_url)
        if self.token_endpoint is not None:
            _require_address("token_endpoint", self.token_endpoint)
        if not self.client_id:
            raise _broken("client_id must not be empty")
        if not self.scopes:
            raise _broken("scopes must name at least one scope")
        self._require_authentication()

    def _require_authentication(self) -> None:
        if self.authentication not in ("public", "secret", "private_key"):
            raise _broken("authentication must be public, secret or private_key")
        if (self.authentication == "secret") != bool(self.client_secret):
            raise _broken("client_secret belongs to authentication = secret, and only there")
        if self.signing_algorithm not in SIGNING_ALGORITHMS:
            raise _broken("signing_algorithm must be ES384 or RS384")

    @property
    def fhir_base(self) -> str:
        """The issuer without a closing slash, for building addresses."""
        return self.issuer.rstrip("/")


def _require_address(name: str, value: str) -> None:
    try:
        split_secure(value)
    except TransportError as error:
        raise _broken(f"{name} cannot be used. {error.sentence}") from error


def _broken(rule: str) -> RegistrationError:
    return RegistrationError("registration_invalid", f"The entry of this EHR is wrong: {rule}.")
