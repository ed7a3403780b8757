"""The registry of EHRs: registered by an administrator, never discovered from a request."""

# `described` is dataclasses.field with an explanation.
# ruff: noqa: RUF009
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from plugin.client_ids import check_client_ids
from plugin.errors import EhrUnknown, SettingsError
from plugin.scopes import BACKEND_SCOPES, DEFAULT_SCOPES
from smart_launch.registration import ClientRegistration

Authentication = Literal["public", "secret", "private_key"]
WriteMode = Literal["transaction-put", "put", "create", "none"]
AuthorizeMode = Literal["frame", "popup"]
ReportStatus = Literal["registered", "partial", "preliminary"]


def described(text: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    """Declare a setting: its explanation for the manual and, unless required, its default."""
    metadata = {"help": text, "secret": secret}
    if default is MISSING:
        return field(metadata=metadata, repr=not secret)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata, hash=False)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Ehr:
    """One registered EHR; the fields are the keys of an `[[ehrs]]` table in wetread.toml.

    Attributes
    ----------
    redirect_uri : str
        Filled in from the public address: `<base_url>/callback/<id>`.
    """

    id: str = described("Short name used in `/callback/<id>`: lower-case letters, digits, hyphen.")
    name: str = described("Name shown to users.")
    issuer: str = described("FHIR base address, exactly as the EHR sends it in `iss`.")
    client_id: str = described("Client id that the EHR gave to Wetread.")
    authentication: Authentication = described(
        "How Wetread proves itself: `public`, `secret` (HTTP Basic) or `private_key`.", "public"
    )
    client_secret: str | None = described(
        "For `secret`; better given in `WETREAD_EHR_<ID>_CLIENT_SECRET`.", None, secret=True
    )
    signing_algorithm: str = described("For `private_key`: `ES384` or `RS384`.", "ES384")
    send_jwks_url: bool = described(
        "For `private_key`, where the EHR knows Wetread's keys by their address: name it (`jku`).",
        False,
    )
    token_endpoint: str | None = described(
        "The only place that private keys sign for; needed where two EHRs gave one backend client "
        "id.",
        None,
    )
    send_nonce: bool = described(
        "`false` where the EHR's id_tokens do not repeat the nonce; it must then promise PKCE.",
        True,
    )
    scopes: tuple[str, ...] = described("Scopes to ask for.", DEFAULT_SCOPES)
    backend_client_id: str | None = described(
        "Client id for unattended reading (backend services, private key); empty: none.", None
    )
    backend_scopes: tuple[str, ...] = described(
        "Scopes to ask for in unattended reading.", BACKEND_SCOPES
    )
    frame_ancestors: tuple[str, ...] = described(
        "Origins that may show Wetread in a frame; empty: none may.", ()
    )
    pacs_origins: tuple[str, ...] = described(
        "Origins of image archives that may receive the user's token; the FHIR origin always may.",
        (),
    )
    patient_id_systems: Mapping[str, str] = described(
        "DICOM IssuerOfPatientID to FHIR identifier system.", {}
    )
    default_patient_id_system: str | None = described(
        "Identifier system for images that name no IssuerOfPatientID.", None
    )
    allow_unverifiable: bool = described(
        "Read images whose PatientID cannot be compared, if birth date and sex agree.", False
    )
    write: WriteMode = described(
        "How reports are written: `transaction-put`, `put`, `create` or `none`.", "none"
    )
    authorize: AuthorizeMode = described(
        "`popup` where the EHR's sign-in page refuses to be framed.", "frame"
    )
    report_status: ReportStatus = described("Status of a new report.", "preliminary")
    ai_security_label: bool = described(
        "Also label reports with `AIAST`; some servers refuse the code.", False
    )
    prevalence: float | None = described(
        "Share (0 to 1) of this EHR's patients at such an X-ray who have Covid-19; none: the "
        "general one.",
        None,
    )
    cds_issuer: str | None = described(
        "`iss` of the EHR's CDS Hooks JWTs; empty: this EHR may not call the CDS service.", None
    )
    cds_jwks_url: str | None = described(
        "Where that EHR's CDS Hooks keys are served; a `jku` in a JWT must be this address.", None
    )
    redirect_uri: str = ""

    def registration(self, jwks_url: str | None = None) -> ClientRegistration:
        """Give the client registration that smart_launch works with.

        Parameters
        ----------
        jwks_url : str, optional
            Where Wetread's public keys are served, for `private_key`.
        """
        named = self.send_jwks_url and self.authentication == "private_key"
        return ClientRegistration(
            issuer=self.issuer,
            client_id=self.client_id,
            authentication=self.authentication,
            redirect_uri=self.redirect_uri,
            scopes=self.scopes,
            client_secret=self.client_secret if self.authentication == "secret" else None,
            signing_algorithm=self.signing_algorithm,
            jwks_url=jwks_url if named else None,
            send_nonce=self.send_nonce,
            token_endpoint=self.token_endpoint or None,
        )

    def backend_registration(self, jwks_url: str | None = None) -> ClientRegistration | None:
        """Give the client registration for reading without a user; None where there is none.

        Parameters
        ----------
        jwks_url : str, optional
            Where Wetread's public keys are served.
        """
        if not self.backend_client_id:
            return None
        return ClientRegistration(
            issuer=self.issuer,
            client_id=self.backend_client_id,
            authentication="private_key",
            redirect_uri=self.redirect_uri,
            scopes=self.backend_scopes,
            signing_algorithm=self.signing_algorithm,
            jwks_url=jwks_url if self.send_jwks_url else None,
            token_endpoint=self.token_endpoint or None,
        )


class EhrRegistry:
    """All registered EHRs, found by exact issuer or by id.

    Parameters
    ----------
    ehrs : iterable of Ehr
        Ids, issuers and issuers of CDS Hooks JWTs must each be unique.

    Raises
    ------
    SettingsError
        Two EHRs share one of them, or a client id that cannot be shared.
    """

    def __init__(self, ehrs: Iterable[Ehr]) -> None:
        self._ehrs = tuple(ehrs)
        self._by_id = {ehr.id: ehr for ehr in self._ehrs}
        self._by_issuer = {ehr.issuer: ehr for ehr in self._ehrs}
        if len(self._by_id) < len(self._ehrs) or len(self._by_issuer) < len(self._ehrs):
            raise SettingsError("ehrs: id and issuer must be unique; got one of them twice")
        callers = [ehr for ehr in self._ehrs if ehr.cds_issuer]
        self._by_cds_issuer = {ehr.cds_issuer: ehr for ehr in callers}
        if len(self._by_cds_issuer) < len(callers):
            raise SettingsError("ehrs: cds_issuer must be unique; got one twice")
        check_client_ids(self._ehrs)

    def __iter__(self) -> Iterator[Ehr]:
        return iter(self._ehrs)

    def by_issuer(self, issuer: str) -> Ehr:
        """Find the EHR with exactly this issuer; a slash more or less is another issuer.

        Raises
        ------
        EhrUnknown
            No EHR is registered under it.
        """
        if issuer not in self._by_issuer:
            raise EhrUnknown(
                "Wetread opens only for hospital systems that its administrator has registered; "
                "the address that this launch came from is not one of them."
            )
        return self._by_issuer[issuer]

    def by_id(self, ehr_id: str) -> Ehr:
        """Find the EHR with this id.

        Raises
        ------
        EhrUnknown
            No EHR has this id.
        """
        if ehr_id not in self._by_id:
            raise EhrUnknown(
                "Wetread opens only for hospital systems that its administrator has registered; "
                "this address belongs to none of them."
            )
        return self._by_id[ehr_id]

    def by_cds_issuer(self, issuer: str) -> Ehr | None:
        """Find the EHR whose CDS Hooks JWTs have exactly this `iss`; None where none may call."""
        return self._by_cds_issuer.get(issuer)
