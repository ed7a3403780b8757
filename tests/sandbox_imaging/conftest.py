"""A hospital with its demo images on loopback, and clients that ask it for images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from dicomweb_client import DICOMwebClient

from sandbox.clients import Client
from sandbox.images.demo import demo_file
from sandbox.images.demo_studies import DEMO_STUDIES
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox.smart_client import CALLBACK, SmartClient

SCOPES = "launch openid patient/ImagingStudy.crus patient/Patient.r"
CLIENTS = tuple(
    Client(name, name, "public", (CALLBACK,), f"http://127.0.0.1:9/{name}", scopes)
    for name, scopes in (("wetread", SCOPES), ("everything", "launch user/*.cruds patient/*.cruds"))
)
STUDIES = {study.resource_id: study.identity.uid for study in DEMO_STUDIES}
CHEST = STUDIES["clark-dan-chest-xray"]
ROSA_CHEST = STUDIES["mayer-rosa-chest-xray"]
ANY_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def needs_pydicom_data() -> None:
    if demo_file("RG1_UNCR.dcm") is None:
        pytest.skip("pydicom-data (the demo extra) is not installed")


@dataclass
class ImagingClient:
    """Asks DICOMweb with a token of a launch."""

    base: str
    token: str

    def get(self, path: str, accept: str | None = None, **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= {} if accept is None else {"Accept": accept}
        return requests.get(f"{self.base}{path}", headers=headers, timeout=30, **more)

    def post(self, path: str, body: object, content_type: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        return requests.post(f"{self.base}{path}", data=body, headers=headers, timeout=30)

    @property
    def dicomweb(self) -> DICOMwebClient:
        return DICOMwebClient(self.base, headers={"Authorization": f"Bearer {self.token}"})


def imaging_client(
    hospital: RunningSandbox,
    patient: str = "clark-dan",
    scope: str = SCOPES,
    client: str = "wetread",
) -> ImagingClient:
    token = SmartClient(hospital, client).launch(patient, scope)["access_token"]
    return ImagingClient(hospital.dicomweb_base, token)


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """Shared by tests that only read, or add what no other test counts."""
    needs_pydicom_data()
    folder = tmp_path_factory.mktemp("hospital")
    with RunningSandbox(SandboxSettings(folder, CLIENTS, port=0)) as server:
        yield server


@pytest.fixture(scope="session")
def clark(hospital: RunningSandbox) -> ImagingClient:
    return imaging_client(hospital)


@pytest.fixture(scope="session")
def rosa(hospital: RunningSandbox) -> ImagingClient:
    return imaging_client(hospital, "mayer-rosa")


@pytest.fixture(scope="session")
def all_seeing(hospital: RunningSandbox) -> ImagingClient:
    return imaging_client(hospital, scope="launch user/ImagingStudy.cruds", client="everything")
