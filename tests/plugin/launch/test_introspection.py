"""A launch whose token the hospital itself does not stand by."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from plugin.services import Services
from tests.plugin.launch.conftest import Browser, problem_code
from tests.plugin.launch.hospital import Hospital
from tests.plugin.launch.test_callback_tokens import launches_in


@pytest.fixture
def offered(hospital: Hospital) -> Hospital:
    """The hospital, with introspection."""
    hospital.behaviour.discovery = {"introspection_endpoint": f"{hospital.base}/introspect"}
    return hospital


def test_the_token_of_a_launch_is_asked_about_once(browser: Browser, offered: Hospital) -> None:
    assert browser.open()
    (form,) = [form for _, path, form in offered.requests if path == "/introspect"]
    assert form["token"]
    assert form["token_type_hint"] == "access_token"
    assert offered.revoked == []


def test_a_hospital_without_introspection_is_not_asked(
    browser: Browser, hospital: Hospital
) -> None:
    assert browser.open()
    assert hospital.paths("/introspect") == 0


@pytest.mark.parametrize(
    "told",
    [{"active": False}, {"client_id": "another"}, {"patient": "p-2"}, {"sub": "user-2"}],
    ids=["inactive", "client", "patient", "user"],
)
def test_a_token_that_is_not_this_launchs_opens_nothing_and_is_given_back(
    browser: Browser, offered: Hospital, services: Services, told: dict[str, Any]
) -> None:
    before = launches_in(services)
    offered.behaviour.introspection = told
    answer = browser.call_back(browser.launch())
    assert answer.status_code == 403
    assert problem_code(answer) == "token_contradicted"
    assert not any(str(value) in answer.text for value in ("p-1", "p-2", "user-1", "user-2"))
    assert launches_in(services) == before
    assert len(offered.revoked) == 2


@pytest.mark.parametrize(
    "told", [{"client_id": None, "patient": None, "sub": None}, {"iss": "https://x", "sub": "u"}]
)
def test_what_the_hospital_leaves_out_contradicts_nothing(
    browser: Browser, offered: Hospital, told: dict[str, Any]
) -> None:
    offered.behaviour.introspection = told
    assert browser.open()


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_hospital_that_refuses_to_say_does_not_stop_the_launch(
    browser: Browser, offered: Hospital, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wetread")
    offered.behaviour.introspection_status = status
    assert browser.open()
    assert "introspection_refused" in caplog.messages
