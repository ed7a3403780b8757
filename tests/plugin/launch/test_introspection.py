"""A launch whose token the hospital itself does not stand by."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin import create_app
from plugin.launching.handles import EXTENSION
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.launch.conftest import BASE_URL, Browser, make_ehr, problem_code
from tests.plugin.launch.hospital import Hospital
from tests.plugin.launch.test_callback_tokens import launches_in


@pytest.fixture(scope="module")
def secret_app(
    running_hospital: Hospital, tmp_path_factory: pytest.TempPathFactory, secret_keys: str
) -> Iterator[Flask]:
    """Wetread with a secret at the hospital: public clients cannot ask."""
    settings = Settings(
        base_url=BASE_URL,
        data_dir=tmp_path_factory.mktemp("wetread"),
        secret_keys=secret_keys,
        ehrs=(make_ehr(running_hospital, authentication="secret", client_secret="s"),),
    )
    made = create_app(settings)
    yield made
    made.extensions[EXTENSION].database.close()


@pytest.fixture
def offered(hospital: Hospital) -> Hospital:
    """The hospital, with introspection."""
    hospital.behaviour.discovery = {"introspection_endpoint": f"{hospital.base}/introspect"}
    return hospital


@pytest.fixture
def services(secret_app: Flask, hospital: Hospital) -> Services:
    found: Services = secret_app.extensions[EXTENSION]
    found.configurations.forget(hospital.issuer)
    return found


@pytest.fixture
def browser(secret_app: Flask, services: Services, hospital: Hospital) -> Browser:
    return Browser(secret_app.test_client(), hospital)


def test_the_token_of_a_launch_is_asked_about_once(browser: Browser, offered: Hospital) -> None:
    assert browser.open()
    (form,) = [form for _, path, form in offered.requests if path == "/introspect"]
    assert form["token"]
    assert form["token_type_hint"] == "access_token"
    assert offered.revoked == []


def test_a_public_client_does_not_ask(client: FlaskClient, offered: Hospital) -> None:
    assert Browser(client, offered).open()
    assert offered.paths("/introspect") == 0


def test_a_hospital_without_introspection_is_not_asked(
    browser: Browser, hospital: Hospital
) -> None:
    assert browser.open()
    assert hospital.paths("/introspect") == 0


@pytest.mark.parametrize(
    "told",
    [
        {"client_id": "another"},
        {"patient": "p-2"},
        {"fhirUser": "Practitioner/2"},
    ],
    ids=["client", "patient", "user"],
)
def test_a_token_that_is_not_this_launchs_opens_nothing_and_is_given_back(
    browser: Browser, offered: Hospital, services: Services, told: dict[str, Any]
) -> None:
    before = launches_in(services)
    offered.behaviour.introspection = told
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 403
    assert problem_code(answer) == "token_contradicted"
    assert not any(str(value) in answer.text for value in ("p-1", "p-2", "Practitioner/"))
    assert launches_in(services) == before
    assert len(offered.revoked) == 2


@pytest.mark.parametrize(
    "told",
    [
        {"client_id": None, "patient": None, "sub": None},
        {"sub": "zora@hospital.example"},  # a login, where the id_token has a number
        {"patient": "Patient/p-1", "fhirUser": "Practitioner/1"},
    ],
    ids=["silent", "login", "references"],
)
def test_what_the_hospital_leaves_out_contradicts_nothing(
    browser: Browser, offered: Hospital, told: dict[str, Any]
) -> None:
    offered.behaviour.introspection = told
    assert browser.open()


def test_a_hospital_that_tells_only_a_tokens_audience_does_not_stop_the_launch(
    browser: Browser, offered: Hospital, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wetread")
    offered.behaviour.introspection = {"active": False}
    assert browser.open()
    assert "introspection_withheld" in caplog.messages
    assert offered.revoked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_hospital_that_refuses_to_say_does_not_stop_the_launch(
    browser: Browser, offered: Hospital, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wetread")
    offered.behaviour.introspection_status = status
    assert browser.open()
    assert "introspection_refused" in caplog.messages
