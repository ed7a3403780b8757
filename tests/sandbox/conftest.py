"""A hospital on loopback, and a client that speaks to it over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from sandbox.clients import Client
from sandbox.demo_records import load_demo_records
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox.smart_client import CALLBACK, SCOPES, SmartClient

ES384 = ECKey.generate_key("P-384", {"kid": "ec"})
RS384 = RSAKey.generate_key(2048, {"kid": "rsa"})
JWKS = {"keys": [ES384.as_dict(private=False), RS384.as_dict(private=False)]}


# What unattended reading needs, and nothing else.
BACKEND_SCOPES = (
    "system/Patient.r system/ImagingStudy.rs system/Endpoint.r system/DiagnosticReport.crus "
    "system/Observation.crus system/Task.crus system/Subscription.crud"
)


def register(client_id: str, kind: str, **more: object) -> Client:
    values = {"scopes": f"{SCOPES} launch/patient offline_access", **more}
    address = "http://127.0.0.1:9/launch"
    return Client(client_id, client_id, kind, (CALLBACK, f"{CALLBACK}?kept=1"), address, **values)


CLIENTS = (
    register("wetread", "public"),
    register("other", "public"),
    register("everything", "public", scopes="launch openid user/*.cruds patient/*.cruds"),
    register("with-secret", "secret", secret="se:cret/+ é"),
    register("with-keys", "private_key", jwks=JWKS),
    Client(
        "backend",
        "Unattended reading",
        "private_key",
        scopes=BACKEND_SCOPES,
        jwks=JWKS,
        grant_types=("client_credentials",),
    ),
)


def open_hospital(folder: Path, **settings: object) -> RunningSandbox:
    """A hospital with the demo records and without their images."""
    chosen = {"clients": CLIENTS, "port": 0, "demo_records": False, **settings}
    server = RunningSandbox(SandboxSettings(data_dir=folder, **chosen))
    house = server.app.extensions["sandbox"]
    load_demo_records(house.fhir, server.base_url)
    return server


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with open_hospital(tmp_path_factory.mktemp("hospital")) as server:
        yield server


@pytest.fixture
def client(hospital: RunningSandbox) -> SmartClient:
    return SmartClient(hospital)
