"""A hospital on loopback, a plugin that knows it, and the browser's part of a launch."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin import create_app
from plugin.ehrs import Ehr
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.launch.hospital import CLIENT_ID, Behaviour, Hospital

BASE_URL = "http://127.0.0.1:8081"
VIEWER = "http://localhost:8080"


@pytest.fixture(scope="session")
def secret_keys() -> str:
    return SecretKeys.generate().dump()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory, secret_keys: str) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    SecretKeys.parse(secret_keys).write(path)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def running_hospital() -> Iterator[Hospital]:
    with Hospital() as running:
        yield running


@pytest.fixture
def hospital(running_hospital: Hospital) -> Hospital:
    """The hospital, correct again and with nothing counted."""
    running_hospital.behaviour = Behaviour()
    running_hospital.requests.clear()
    running_hospital.revoked.clear()
    return running_hospital


def make_ehr(hospital: Hospital, ehr_id: str = "north", **changes: Any) -> Ehr:
    values: dict[str, Any] = {
        "id": ehr_id,
        "name": "North Hospital",
        "issuer": hospital.issuer,
        "client_id": CLIENT_ID,
        "frame_ancestors": (VIEWER,),
        "redirect_uri": f"{BASE_URL}/callback/{ehr_id}",
    }
    return Ehr(**values | changes)


@pytest.fixture(scope="session")
def settings(
    running_hospital: Hospital, tmp_path_factory: pytest.TempPathFactory, secret_keys: str
) -> Settings:
    # The second EHR is never contacted: its address answers to nobody.
    nobody = "http://127.0.0.1:9/fhir"
    other = make_ehr(running_hospital, "south", issuer=nobody, frame_ancestors=())
    return Settings(
        base_url=BASE_URL,
        data_dir=tmp_path_factory.mktemp("wetread"),
        secret_keys=secret_keys,
        ehrs=(make_ehr(running_hospital), other),
    )


@pytest.fixture(scope="session")
def running_app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    services: Services = made.extensions[EXTENSION]
    services.database.close()


@pytest.fixture
def app(running_app: Flask, hospital: Hospital) -> Flask:
    """The application, with every clock right again."""
    services: Services = running_app.extensions[EXTENSION]
    services.states.clock = services.launches.clock = time.time
    services.configurations.forget(hospital.issuer)
    return running_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def services(app: Flask) -> Services:
    found: Services = app.extensions[EXTENSION]
    return found


@dataclass
class Page:
    """What the browser's page holds between /launch and the callback."""

    state: str
    binder: str
    authorize: str


class Browser:
    """The JavaScript's part of a launch."""

    def __init__(self, client: FlaskClient, hospital: Hospital) -> None:
        self.client, self.hospital = client, hospital

    def launch(self, **parameters: str) -> Page:
        query = parameters or {"iss": self.hospital.issuer, "launch": "xyz"}
        answer = self.client.get("/launch", query_string=query)
        assert answer.status_code == 200, answer.text
        return read_page(answer)

    def call_back(self, page: Page, ehr: str = "north", **changes: Any) -> TestResponse:
        body = self.hospital.sign_in(page.authorize) | {"binder": page.binder} | changes
        body = {key: value for key, value in body.items() if value is not None}
        return self.post(body, ehr)

    def post(self, body: Any, ehr: str = "north", **headers: str) -> TestResponse:
        return self.client.post(
            f"/callback/{ehr}", json=body, headers={"Origin": BASE_URL} | headers
        )

    def open(self) -> str:
        answer = self.call_back(self.launch())
        assert answer.status_code == 200, answer.text
        handle: str = answer.get_json()["handle"]
        return handle


def read_page(answer: TestResponse) -> Page:
    found = re.search(r'<script type="application/json" id="launch">(.*?)</script>', answer.text)
    assert found is not None
    return Page(**json.loads(found[1]))


@pytest.fixture
def browser(client: FlaskClient, hospital: Hospital) -> Browser:
    return Browser(client, hospital)


def problem_code(answer: TestResponse) -> str:
    problem = answer.get_json()["problem"]
    assert all(problem[key] for key in ("title", "text", "next_step")), problem
    code: str = problem["code"]
    return code
