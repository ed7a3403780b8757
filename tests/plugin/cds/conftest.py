"""An EHR on loopback that may call, and a plugin that knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin import create_app
from plugin.cds.caller_keys import CallerKeys
from plugin.cds.callers import Callers
from plugin.cds.chart import Charts
from plugin.cds.pace import Pace
from plugin.cds.replay import AcceptedCalls
from plugin.cds.routes import EXTENSION as DESK
from plugin.cds.routes import Desk
from plugin.cds.service import SERVICE_PATH
from plugin.ehrs import Ehr, EhrRegistry
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.readings import InstalledModel
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.cds.ehr import CLIENT_ID, Behaviour, CallingEhr, study

BASE_URL = "http://127.0.0.1:8081"
ADDRESS = BASE_URL + SERVICE_PATH
VIEWER = "http://localhost:8080"

Send = Callable[..., TestResponse]


@pytest.fixture(scope="session")
def running_ehr() -> Iterator[CallingEhr]:
    with CallingEhr() as running:
        yield running


@pytest.fixture
def ehr(running_ehr: CallingEhr) -> CallingEhr:
    """The EHR, correct again and with nothing counted."""
    running_ehr.behaviour = Behaviour()
    running_ehr.requests.clear()
    return running_ehr


def registered(running: CallingEhr) -> tuple[Ehr, Ehr]:
    """The EHR that may call, and one that may not: whatever it signs, it is nobody here."""
    north = Ehr(
        id="north",
        name="North Hospital",
        issuer=running.issuer,
        client_id=CLIENT_ID,
        frame_ancestors=(VIEWER,),
        cds_issuer=running.base,
        cds_jwks_url=running.jwks_url,
    )
    south = Ehr(
        id="south",
        name="South Hospital",
        issuer="http://127.0.0.1:9/fhir",
        client_id=CLIENT_ID,
        frame_ancestors=("http://localhost:9",),
    )
    return north, south


@pytest.fixture(scope="session")
def running_app(
    running_ehr: CallingEhr, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    settings = Settings(
        base_url=BASE_URL,
        data_dir=tmp_path_factory.mktemp("wetread"),
        secret_keys=SecretKeys.generate().dump(),
        ehrs=registered(running_ehr),
    )
    made = create_app(settings)
    services: Services = made.extensions[EXTENSION]
    with services.database.session() as session:
        facts = {"title": "Chest X-ray", "modalities": ["CR", "DX"], "limits": []}
        session.add(InstalledModel(name="chest_xray", facts=facts, updated_at=0.0))
    while not running_ehr.asked("/cds-keys"):  # at the start; tests count what comes later
        time.sleep(0.01)
    yield made
    services.database.close()


@pytest.fixture
def app(running_app: Flask, ehr: CallingEhr) -> Flask:
    """The application, with nothing remembered of earlier calls."""
    services: Services = running_app.extensions[EXTENSION]
    callers = Callers(
        services.ehrs, CallerKeys(), AcceptedCalls(services.database), ADDRESS
    )  # fmt: skip
    running_app.extensions[DESK] = Desk(callers, Charts(), Pace(burst=100_000))
    return running_app


@pytest.fixture
def healthy(app: Flask, ehr: CallingEhr) -> Iterator[CallingEhr]:
    """Another EHR that may call the same service; its record is quick."""
    services: Services = app.extensions[EXTENSION]
    with CallingEhr() as other:
        other.behaviour.record = {"ImagingStudy": [study()]}
        west = Ehr(
            id="west", name="West Hospital", issuer=other.issuer, client_id=CLIENT_ID,
            cds_issuer=other.base, cds_jwks_url=other.jwks_url,
        )  # fmt: skip
        ehrs = EhrRegistry((*registered(ehr), west))
        callers = Callers(ehrs, CallerKeys(), AcceptedCalls(services.database), ADDRESS)
        app.extensions[DESK] = Desk(callers, Charts(), Pace(burst=100_000))
        yield other


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def send(client: FlaskClient, ehr: CallingEhr) -> Send:
    """Send a call as the EHR does; `token` and `body` replace its own."""

    def post(body: Any = None, *, token: str | None = None, **headers: str) -> TestResponse:
        bearer = {"Authorization": f"Bearer {token or ehr.token(ADDRESS)}"}
        sent = ehr.call() if body is None else body
        return client.post(SERVICE_PATH, json=sent, headers=bearer | headers)

    return post


def code_of(answer: TestResponse) -> str:
    """The code of a refusal, whose texts are there."""
    problem = answer.get_json()["problem"]
    assert all(problem[key] for key in ("title", "text", "next_step")), problem
    code: str = problem["code"]
    return code


def cards_of(answer: TestResponse) -> list[dict[str, Any]]:
    """The cards of an answer."""
    assert answer.status_code == 200, answer.text
    cards: list[dict[str, Any]] = answer.get_json()["cards"]
    return cards
