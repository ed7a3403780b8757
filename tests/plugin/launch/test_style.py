"""GET /api/launch/style: the hospital's style, from the hospital only and without any token."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin.launching.styles import LIMITS, Styles
from plugin.services import Services
from smart_launch.http import Http
from tests.plugin.launch.conftest import Browser
from tests.plugin.launch.hospital import Hospital
from tests.smart_launch.loopback import Loopback, Says, running_server

STYLE = {"color_text": "#202020", "dim_font_size": "14px", "color_border": "#000"}


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """A server at another origin, with a style."""
    with running_server() as server:
        server.says("GET", "/style.json", Says(body=STYLE))
        yield server


@pytest.fixture(autouse=True)
def forgotten(services: Services) -> None:
    """No style of an earlier test is kept."""
    services.styles._kept.clear()


def style_of(client: FlaskClient, browser: Browser, address: Any) -> Any:
    browser.hospital.behaviour.token = {"smart_style_url": address}
    answer = client.get("/api/launch/style", headers={"Wetread-Handle": browser.open()})
    assert answer.status_code == 200
    return answer.get_json()


def test_the_hospitals_style_is_given_checked_and_asked_for_once(
    client: FlaskClient, browser: Browser, hospital: Hospital
) -> None:
    hospital.behaviour.style = STYLE
    expected = {"color_text": "#202020", "dim_font_size": 14.0}
    for _ in range(3):
        assert style_of(client, browser, f"{hospital.base}/style.json") == expected
    assert hospital.paths("/style.json") == 1


def test_no_token_and_no_cookie_goes_with_the_request(
    services: Services, hospital: Hospital
) -> None:
    with running_server() as server:
        server.says("GET", "/style.json", Says(body=STYLE, headers={"Set-Cookie": "a=b"}))
        (ehr, _) = services.ehrs
        viewer = replace(ehr, frame_ancestors=(server.url,))
        for end in ("", "?v=2"):
            found = services.styles.get(viewer, f"{server.url}/style.json{end}")
            assert found.color_text == "#202020"
        for asked in server.asked:
            assert {"Authorization", "Cookie", "Referer"}.isdisjoint(asked.headers)


@pytest.mark.parametrize("address", [None, "", "style.json", "javascript:alert(1)", 7, "file:///x"])
def test_without_a_usable_address_there_is_no_style(
    client: FlaskClient, browser: Browser, hospital: Hospital, address: Any
) -> None:
    assert style_of(client, browser, address) == {}
    assert hospital.paths("/style.json") == 0


def test_another_origin_is_never_asked(
    client: FlaskClient, browser: Browser, elsewhere: Loopback
) -> None:
    assert style_of(client, browser, f"{elsewhere.url}/style.json") == {}
    assert elsewhere.asked == []


def test_a_redirect_is_not_followed(
    client: FlaskClient, browser: Browser, hospital: Hospital, elsewhere: Loopback
) -> None:
    hospital.behaviour.style = ("", 302, {"Location": f"{elsewhere.url}/style.json"})
    assert style_of(client, browser, f"{hospital.base}/style.json") == {}
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "answer",
    ["<html>", ("", 500), "[]", '{"color_text": "' + "x" * 70_000 + '"}', '{"color_text": "red"}'],
    ids=["page", "broken", "list", "large", "unusable"],
)
def test_an_unusable_answer_is_no_style_and_is_not_asked_for_again_at_once(
    client: FlaskClient, browser: Browser, hospital: Hospital, answer: Any
) -> None:
    hospital.behaviour.style = answer
    for _ in range(2):
        assert style_of(client, browser, f"{hospital.base}/style.json") == {}
    assert hospital.paths("/style.json") == 1


def test_a_failure_is_forgotten_after_a_minute_and_a_style_after_an_hour(
    services: Services, hospital: Hospital, app: Flask
) -> None:
    moment = [0.0]
    styles = Styles(services.configurations, Http(LIMITS), lambda: moment[0])
    (ehr, _), address = services.ehrs, f"{hospital.base}/style.json"
    hospital.behaviour.style = ("", 500)
    assert styles.get(ehr, address).color_text is None
    hospital.behaviour.style = STYLE
    moment[0] = 59.0
    assert styles.get(ehr, address).color_text is None
    moment[0] = 61.0
    assert styles.get(ehr, address).color_text == "#202020"
    hospital.behaviour.style = STYLE | {"color_text": "#000000"}
    moment[0] = 3600.0
    assert styles.get(ehr, address).color_text == "#202020"
    moment[0] = 3662.0
    assert styles.get(ehr, address).color_text == "#000000"


def test_only_so_many_styles_are_kept(services: Services, hospital: Hospital) -> None:
    hospital.behaviour.style = STYLE
    (ehr, _) = services.ehrs
    for number in range(70):
        services.styles.get(ehr, f"{hospital.base}/style.json?v={number}")
    assert len(services.styles._kept) == 64
    services.styles.get(ehr, f"{hospital.base}/style.json?v=69")
    assert hospital.paths("/style.json") == 70


def test_the_style_needs_an_open_launch(client: FlaskClient) -> None:
    assert client.get("/api/launch/style").status_code == 401


def test_pages_that_open_together_share_one_or_two_requests(
    services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.style = STYLE
    (ehr, _), start = services.ehrs, threading.Barrier(6)
    given: list[str | None] = []

    def ask() -> None:
        start.wait()
        given.append(services.styles.get(ehr, f"{hospital.base}/style.json").color_text)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == ["#202020"] * 6
    assert hospital.paths("/style.json") <= 2


def test_a_server_of_styles_that_never_answers_holds_few_threads(services: Services) -> None:
    let_go = threading.Event()

    def silent(_: Any) -> Says:
        let_go.wait(10)
        return Says(body=STYLE)

    with running_server() as server:
        server.says("GET", "/style.json", silent)
        (ehr, _) = services.ehrs
        viewer = replace(ehr, frame_ancestors=(server.url,))
        threads = [
            threading.Thread(target=services.styles.get, args=(viewer, f"{server.url}/style.json"))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(server.asked) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        assert services.styles.get(viewer, f"{server.url}/style.json?v=2").color_text is None
        assert time.monotonic() - began < 2.5
        assert len(server.asked) == 2
        let_go.set()
        for thread in threads:
            thread.join()
