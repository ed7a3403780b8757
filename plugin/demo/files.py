"""The configuration that a demo needs on both sides: wetread.toml, keys, the registration."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from plugin.scopes import BACKEND_SCOPES

EHR_ID = "sandbox"
CLIENT_ID = "wetread"
# The same program, registered a second time for reading without a user.
BACKEND_CLIENT_ID = "wetread-backend"
# A client of its own reads the record back, so that the check does not lean on Wetread's own token.
OBSERVER_ID = "record-observer"
OBSERVER_REDIRECT = "http://127.0.0.1/observer"
OBSERVER_SCOPES = (
    "launch openid fhirUser patient/DiagnosticReport.rs patient/Observation.rs "
    "patient/ImagingStudy.rs"
)
HOSPITAL_HOST = "localhost"
PLUGIN_HOST = "127.0.0.1"


@dataclass(frozen=True)
class DemoChoices:
    """What the person who starts the demo may choose.

    Attributes
    ----------
    hospital_port, plugin_port : int
        Ports of the two sides; they must be free.
    fhir, dicomweb : str or None
        Real servers to put the hospital in front of.
    images : Path or None
        Folder of X-rays to turn into patients.
    write : str
        Write mode of Wetread and write profile of the hospital.
    authorize : str
        ``frame`` or ``popup``.
    refuse_frames : bool
        The hospital's sign-in pages refuse to be framed.
    card_budget_ms : int
        How long the hospital waits for the cards of a chart; more where a machine is busy.
    """

    hospital_port: int
    plugin_port: int
    fhir: str | None = None
    dicomweb: str | None = None
    images: Path | None = None
    write: str = "transaction-put"
    authorize: str = "frame"
    refuse_frames: bool = False
    card_budget_ms: int = 500

    @property
    def hospital_url(self) -> str:
        """Address of the clinical viewer."""
        return f"http://{HOSPITAL_HOST}:{self.hospital_port}"

    @property
    def plugin_url(self) -> str:
        """Address of Wetread: another site than the viewer's, as in a hospital."""
        return f"http://{PLUGIN_HOST}:{self.plugin_port}"

    @property
    def issuer(self) -> str:
        """The hospital's FHIR base."""
        return f"{self.hospital_url}/fhir/r4"


def free_port(host: str, preferred: int = 0) -> int:
    """Give ``preferred`` when it is free on ``host``, otherwise any free port."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # A port in TIME_WAIT after the last demo counts as free, as it does for the servers.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


@contextmanager
def claimed_port(host: str, preferred: int = 0) -> Iterator[int]:
    """Give a free port that no other demo gets while the block runs.

    Between the look and the start of the server, another demo may find the same port free. A name
    in Linux' abstract socket space is the claim: it needs no file and ends with the process.
    """
    with ExitStack() as stack:
        for wanted in (preferred, 0, 0, 0):
            port = free_port(host, wanted)
            claim = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            try:
                claim.bind(f"\0wetread-demo-{port}")
            except OSError:
                continue
            yield port
            return
    raise OSError("no free port")


def write_clients(path: Path, choices: DemoChoices, scopes: str) -> None:
    """Write the hospital's registration of its clients."""
    keys = {"type": "private_key", "jwks_url": f"{choices.plugin_url}/.well-known/jwks.json"}
    wetread = {
        "client_id": CLIENT_ID,
        "name": "Wetread",
        **keys,
        "redirect_uris": [f"{choices.plugin_url}/callback/{EHR_ID}"],
        "launch_url": f"{choices.plugin_url}/launch",
        "scopes": scopes,
        "cds_services_url": f"{choices.plugin_url}/cds-services",
    }
    backend = {
        "client_id": BACKEND_CLIENT_ID,
        "name": "Wetread, unattended",
        **keys,
        "grant_types": ["client_credentials"],
        "scopes": " ".join(BACKEND_SCOPES),
    }
    observer = {
        "client_id": OBSERVER_ID,
        "name": "Record observer",
        "type": "public",
        "redirect_uris": [OBSERVER_REDIRECT],
        "launch_url": OBSERVER_REDIRECT,
        "scopes": OBSERVER_SCOPES,
    }
    path.write_text(json.dumps([wetread, backend, observer], indent=2), encoding="utf-8")


def write_configuration(path: Path, choices: DemoChoices, data_dir: Path, keys: Path) -> None:
    """Write wetread.toml for a plugin that knows this one hospital."""
    text = f"""# Written by `wetread demo`.
base_url = {json.dumps(choices.plugin_url)}
bind = {json.dumps(f"{PLUGIN_HOST}:{choices.plugin_port}")}
data_dir = {json.dumps(str(data_dir))}
secret_key_file = {json.dumps(str(keys))}

[[ehrs]]
id = "{EHR_ID}"
name = "Demo hospital"
issuer = {json.dumps(choices.issuer)}
client_id = "{CLIENT_ID}"
authentication = "private_key"
backend_client_id = "{BACKEND_CLIENT_ID}"
cds_issuer = {json.dumps(choices.hospital_url)}
cds_jwks_url = {json.dumps(f"{choices.hospital_url}/auth/cds-jwks.json")}
frame_ancestors = [{json.dumps(choices.hospital_url)}]
pacs_origins = [{json.dumps(choices.hospital_url)}]
patient_id_systems = {{ HOSPITAL = "https://hospital.example/mrn" }}
write = {json.dumps(choices.write)}
authorize = {json.dumps(choices.authorize)}
"""
    tomllib.loads(text)
    path.write_text(text, encoding="utf-8")
