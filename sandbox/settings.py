"""Settings of the demo hospital, made once at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sandbox.clients import Client
from sandbox.errors import RegistrationError

WriteProfile = Literal["transaction-put", "put", "create", "none"]
WRITE_PROFILES: tuple[str, ...] = get_args(WriteProfile)

MRN_SYSTEM = "https://hospital.example/mrn"
ISSUER_OF_PATIENT_ID = "HOSPITAL"


@dataclass(frozen=True)
class SandboxSettings:
    """Everything that a hospital is told at its start.

    Attributes
    ----------
    data_dir : pathlib.Path
        Its records, images and signing key; made when absent.
    clients : tuple of Client
        The registered clients.
    host, port
        Where it answers; also the host of every address that it gives.
    fhir_url, dicomweb_url : str or None
        A real FHIR server or PACS behind the gateways; None for the built-in ones.
    images_dir : pathlib.Path or None
        A folder of X-rays to turn into patients with studies.
    write_profile : {"transaction-put", "put", "create", "none"}
        Which kind of FHIR server it plays when written to.
    refuse_frames : bool
        ``/auth`` refuses to be framed, as many hospitals' servers do.
    access_token_s, refresh_token_s, backend_token_s, code_s, launch_s : int
        Lifetimes in seconds; a refresh gives a new refresh token, but no longer life than this
        counted from the sign-in. ``backend_token_s`` is that of a client nobody signed in to.
    cds_budget_s : float
        Seconds that a CDS service may take before its cards are given up.
    style_url : str or None
        Named in token responses as ``smart_style_url`` in place of the hospital's own style.
    request_log : pathlib.Path or None
        File that says what clients ask of records and images, without ids and values.
    demo_records : bool
        Load the records of ``fhir_examples`` at the start.
    page_size : int
        Matches on one page of a FHIR search when ``_count`` is absent.
    """

    data_dir: Path
    clients: tuple[Client, ...] = ()
    host: str = "localhost"
    port: int = 8080
    fhir_url: str | None = None
    dicomweb_url: str | None = None
    images_dir: Path | None = None
    write_profile: WriteProfile = "transaction-put"
    refuse_frames: bool = False
    access_token_s: int = 3600
    refresh_token_s: int = 8 * 3600
    backend_token_s: int = 300
    code_s: int = 60
    launch_s: int = 300
    demo_records: bool = True
    page_size: int = 50
    cds_budget_s: float = 0.5
    style_url: str | None = None
    request_log: Path | None = None

    def __post_init__(self) -> None:
        if self.write_profile not in WRITE_PROFILES:
            raise RegistrationError(f"write_profile must be one of {', '.join(WRITE_PROFILES)}")

    @property
    def base_url(self) -> str:
        """Address of the hospital, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def fhir_base(self) -> str:
        """FHIR base: issuer of the launches, and the only ``aud`` that is accepted."""
        return f"{self.base_url}/fhir/r4"

    @property
    def dicomweb_base(self) -> str:
        """DICOMweb service root, as written into the Endpoint."""
        return f"{self.base_url}/dicomweb"

    @property
    def token_url(self) -> str:
        """Token endpoint, the audience of client assertions."""
        return f"{self.base_url}/auth/token"

    @property
    def cds_jwks_url(self) -> str:
        """Where the keys of this hospital's CDS Hooks calls are served."""
        return f"{self.base_url}/auth/cds-jwks.json"
