"""A real Orthanc with its DICOMweb plugin, as a hospital's PACS: Basic authentication, C-STORE.

Orthanc listens on all interfaces: version 1.10 has no setting for the address. So it answers this
machine only (`RemoteAccessAllowed`, `DicomCheckModalityHost`), asks for a password made anew for
every start, and takes C-STORE and C-ECHO over its DICOM port, but gives nothing out there.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import requests

PROGRAM = "Orthanc"
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
HOST = "127.0.0.1"
AET = "ORTHANC"
# Who may send images, from this machine: the tests' scanner, and DCMTK's storescu by hand.
SENDERS = ("SCANNER", "STORESCU")
USER = "hospital"
START_S = 30.0
# A port that is free when looked for may be taken a moment later.
TRIES = 5


class OrthancError(Exception):
    """Orthanc did not start; the message says what is missing or what its log says."""


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc.

    Attributes
    ----------
    host, http_port, dicom_port : str, int, int
        Where it answers HTTP and DICOM.
    aet : str
        Its application entity title.
    user, password : str
        Of its Basic authentication.
    """

    host: str
    http_port: int
    dicom_port: int
    aet: str
    user: str
    password: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port of its HTTP side."""
        return f"http://{self.host}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Base of DICOMweb, with the credentials in it, as `--dicomweb` takes it."""
        account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"http://{account}@{self.host}:{self.http_port}/dicom-web"

    def rest(self, method: str, path: str, **more: object) -> requests.Response:
        """Ask Orthanc's own interface, such as `/instances`; 4xx and 5xx are errors."""
        auth = (self.user, self.password)
        response = requests.request(method, f"{self.origin}{path}", auth=auth, timeout=60, **more)
        response.raise_for_status()
        return response


def missing() -> str | None:
    """Say what must be installed before Orthanc can be started; None when all is there."""
    if shutil.which(PROGRAM) is None or not DICOMWEB_PLUGIN.exists():
        return "Orthanc is not installed (apt-get install orthanc orthanc-dicomweb)"
    return None


@contextmanager
def running_orthanc(folder: Path, http_port: int = 0, dicom_port: int = 0) -> Iterator[Orthanc]:
    """Start Orthanc with its data in a folder, and stop it at the end.

    Parameters
    ----------
    http_port, dicom_port : int
        0: any free port.

    Raises
    ------
    OrthancError
        It is not installed, or did not answer within 30 s.
    """
    lack = missing()
    if lack is not None:
        raise OrthancError(lack)
    folder.mkdir(parents=True, exist_ok=True)
    orthanc = _start(folder, http_port, dicom_port)
    try:
        yield orthanc
    finally:
        stop(orthanc.process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End Orthanc cleanly, so that its index is whole at the next start."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def _start(folder: Path, http_port: int, dicom_port: int) -> Orthanc:
    for _ in range(TRIES):
        orthanc = _launch(folder, http_port or free_port(), dicom_port or free_port())
        if _answers(orthanc):
            return orthanc
        stop(orthanc.process)
        if http_port and dicom_port:
            break
    said = (folder / "log").read_text("utf-8", "replace")[-2000:]
    raise OrthancError(f"Orthanc must answer within {START_S:.0f} s; it did not. Its log:\n{said}")


def _launch(folder: Path, http_port: int, dicom_port: int) -> Orthanc:
    # A slash and an at sign: whoever takes the address apart must decode it.
    password = f"p@/{secrets.token_urlsafe(18)}"
    settings = folder / "orthanc.json"
    settings.touch(mode=0o600)
    settings.write_text(json.dumps(configuration(folder, http_port, dicom_port, password)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, str(settings)], stdout=log, stderr=log)
    return Orthanc(HOST, http_port, dicom_port, AET, USER, password, process)


def configuration(
    folder: Path, http_port: int, dicom_port: int, password: str
) -> dict[str, object]:
    """Give Orthanc's settings; those left out keep their defaults."""
    return {
        "Name": "Wetread's tests",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "Plugins": [str(DICOMWEB_PLUGIN)],
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: password},
        # Compressing answers costs fifteen times what it saves on one machine.
        "HttpCompressionEnabled": False,
        "StorageCompression": False,
        "OrthancExplorerEnabled": False,
        "WebDavEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": AET,
        "DicomPort": dicom_port,
        "DicomModalities": {name.lower(): [name, HOST, 104] for name in SENDERS},
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomAlwaysAllowMove": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }


def _answers(orthanc: Orthanc) -> bool:
    """Wait until it answers as the one that we started: another server knows no such password."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and orthanc.process.poll() is None:
        with suppress(requests.RequestException):
            orthanc.rest("GET", "/system")
            return True
        time.sleep(0.05)
    return False


def free_port() -> int:
    """Give a port of this machine that nobody listens on, on any interface."""
    with socket.create_server(("", 0)) as probe:
        return int(probe.getsockname()[1])
