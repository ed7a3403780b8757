"""Large and slow bodies: each EHR has its own few places, and none is held for long."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from plugin.cds.body import LARGE_BODY, LARGE_OF_ONE_EHR, Places
from plugin.cds.errors import TooManyCalls
from plugin.cds.routes import EXTENSION as DESK
from plugin.cds.routes import Desk
from plugin.cds.service import SERVICE_PATH
from tests.plugin.cds.conftest import ADDRESS, Send, cards_of, code_of
from tests.plugin.cds.ehr import CallingEhr, prefetch, study


def large(ehr: CallingEhr, **changes: Any) -> dict[str, Any]:
    """A call that needs a place."""
    padded = study() | {"text": {"div": "x" * LARGE_BODY}}
    return ehr.call(prefetch=prefetch([padded]), **changes)


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """The application behind a server that waits for bodies."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def begin(port: int, ehr: CallingEhr, length: int = LARGE_BODY + 10) -> socket.socket:
    """Send the first byte of a call, and no more."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    head = (
        f"POST {SERVICE_PATH} HTTP/1.1",
        "Host: 127.0.0.1:8081",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        f"Authorization: Bearer {ehr.token(ADDRESS)}",
    )
    connection.sendall("\r\n".join((*head, "", "{")).encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, str]:
    """The status, and what follows."""
    with connection, connection.makefile("rb") as answer:
        status = int(answer.readline().split()[1])
        return status, answer.read().decode()


@pytest.mark.parametrize("length", [LARGE_BODY + 10, 1000])
def test_body_that_does_not_arrive_is_not_waited_for(
    send: Send, ehr: CallingEhr, port: int, length: int
) -> None:
    send()  # the keys are there
    started = time.monotonic()
    status, text = answer_of(begin(port, ehr, length))
    assert time.monotonic() - started < 1.0
    assert status == 408
    assert "too_slow" in text


def test_body_that_trickles_is_not_waited_for(send: Send, ehr: CallingEhr, port: int) -> None:
    send()  # the keys are there
    started, connection, over = time.monotonic(), begin(port, ehr), threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            connection.sendall(b" ")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        assert connection.recv(12).endswith(b"408")
    finally:
        over.set()
        sender.join()
        connection.close()
    assert time.monotonic() - started < 1.0


def test_slow_bodies_of_one_ehr_take_no_place_from_another(
    send: Send, ehr: CallingEhr, healthy: CallingEhr, port: int
) -> None:
    send(), send(token=healthy.token(ADDRESS), body=healthy.call())  # the keys are there
    with ExitStack() as slow:
        for _ in range(LARGE_OF_ONE_EHR):
            slow.enter_context(begin(port, ehr))
        time.sleep(0.1)
        assert code_of(send(large(ehr))) == "too_many_calls"
        assert cards_of(send(large(healthy), token=healthy.token(ADDRESS)))
        time.sleep(0.6)
        # Nobody waits for them any more, though they are still open.
        assert cards_of(send(large(ehr)))


def test_large_charts_are_read_a_few_at_a_time_and_small_ones_beside_them(
    app: Flask, send: Send, ehr: CallingEhr
) -> None:
    desk: Desk = app.extensions[DESK]
    with ExitStack() as taken:
        for _ in range(LARGE_OF_ONE_EHR):
            taken.enter_context(desk.places.one("north"))
        started = time.monotonic()
        answer = send(large(ehr))
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert time.monotonic() - started < 0.2  # no place is waited for
        assert send(ehr.call(prefetch=prefetch([study()]))).status_code == 200
    # Each gives its place back.
    assert [send(large(ehr)).status_code for _ in range(3)] == [200, 200, 200]


def test_place_is_free_while_the_record_is_searched(
    app: Flask, send: Send, ehr: CallingEhr
) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 0.3
    call = large(ehr, fhirAuthorization=ehr.authorization())
    call["prefetch"].pop("reports")
    searching = threading.Thread(target=send, args=(call,))
    searching.start()
    try:
        while not ehr.asked("/DiagnosticReport"):
            assert searching.is_alive()
            time.sleep(0.005)
        with ExitStack() as taken:
            for _ in range(LARGE_OF_ONE_EHR):
                taken.enter_context(app.extensions[DESK].places.one("north"))
    finally:
        searching.join()


def test_body_that_does_not_say_how_large_it_is_needs_a_place(
    app: Flask, client: FlaskClient, ehr: CallingEhr
) -> None:
    def chunked() -> int:
        sent = client.post(
            SERVICE_PATH,
            input_stream=io.BytesIO(json.dumps(ehr.call()).encode()),
            content_type="application/json",
            headers={"Authorization": f"Bearer {ehr.token(ADDRESS)}"},
            environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        )
        return sent.status_code

    assert chunked() == 200
    app.extensions[DESK] = Desk(
        app.extensions[DESK].callers, app.extensions[DESK].charts, app.extensions[DESK].pace,
        Places(each=0),
    )  # fmt: skip
    assert chunked() == 429


def test_all_ehrs_together_have_few_places() -> None:
    places = Places(each=2, total=3)
    with places.one("a"), places.one("a"), places.one("b"):
        for whose in ("a", "b", "c"):
            with pytest.raises(TooManyCalls), places.one(whose):
                pass
    with places.one("c"):
        pass
