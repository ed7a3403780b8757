"""What is too large for memory comes in pieces; half of it is an error, and so is too much."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from smart_launch.errors import TransportError
from smart_launch.http import Http
from tests.smart_launch.conftest import QUICK
from tests.smart_launch.loopback import Loopback, Says

PIECE = b"x" * 1000
Write = Callable[[BaseHTTPRequestHandler], None]


def streamed(http: Http, server: Loopback, most_bytes: int = 1_000_000) -> bytes:
    with http.stream(f"{server.url}/a", most_bytes=most_bytes) as answer:
        return b"".join(answer.pieces)


def body(count: int, *, length: int | None = None, pause_s: float = 0.0) -> Write:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        for _ in range(count):
            handler.wfile.write(PIECE)
            handler.wfile.flush()
            time.sleep(pause_s)

    return write


def test_the_pieces_are_the_body_and_the_head_comes_before_them(
    http: Http, server: Loopback
) -> None:
    server.says("GET", "/a", Says(418, PIECE, {"X-Kind": "short", "Retry-After": "7"}))
    headers = {"Accept": "text/plain"}
    with http.stream(f"{server.url}/a", headers=headers, most_bytes=2000) as answer:
        assert (answer.status, answer.headers["x-kind"], answer.retry_after_s) == (418, "short", 7)
        assert b"".join(answer.pieces) == PIECE
    assert server.asked[0].headers["Accept"] == "text/plain"


def test_more_than_is_wanted_is_refused_while_it_arrives(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(write=body(200)))
    with pytest.raises(TransportError) as caught:
        streamed(http, server, 5000)
    assert (caught.value.code, len(server.asked)) == ("too_large", 1)


def test_a_body_that_breaks_off_is_an_error_and_not_asked_for_again(
    http: Http, server: Loopback
) -> None:
    server.says("GET", "/a", Says(write=body(3, length=9000)))
    pieces = []
    with (
        pytest.raises(TransportError) as caught,
        http.stream(f"{server.url}/a", most_bytes=9000) as answer,
    ):
        pieces.extend(answer.pieces)
    assert (caught.value.code, len(server.asked)) == ("cut_short", 1)
    assert b"".join(pieces) == PIECE * 3


def test_a_large_body_may_take_longer_than_a_small_one(server: Loopback) -> None:
    http = Http(dataclasses.replace(QUICK, total_s=0.1, stream_bytes_per_s=5_000))
    server.says("GET", "/a", Says(write=body(10, pause_s=0.04)))
    assert len(streamed(http, server)) == 10_000
    http.close()


def test_a_body_slower_than_that_ends(server: Loopback) -> None:
    http = Http(dataclasses.replace(QUICK, total_s=0.1, stream_bytes_per_s=1_000_000))
    server.says("GET", "/a", Says(write=body(100, pause_s=0.04)))
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        streamed(http, server)
    assert caught.value.code == "timed_out"
    assert time.monotonic() - started < 2
    http.close()


def test_silence_in_the_middle_ends_it(impatient: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(write=body(2, length=9000, pause_s=1.0)))
    with pytest.raises(TransportError) as caught:
        streamed(impatient, server)
    assert caught.value.code == "timed_out"


def test_a_server_that_is_busy_is_asked_again_as_it_says(
    http: Http, server: Loopback, pauses: list[float]
) -> None:
    server.says("GET", "/a", Says(503, b"", {"Retry-After": "2"}), Says(200, PIECE))
    assert streamed(http, server) == PIECE
    assert pauses == [2.0]


def test_a_redirect_is_not_followed(http: Http, server: Loopback, elsewhere: Loopback) -> None:
    server.says("GET", "/a", Says(302, b"", {"Location": f"{elsewhere.url}/a"}))
    with pytest.raises(TransportError) as caught:
        streamed(http, server)
    assert caught.value.code == "redirected"


@pytest.mark.parametrize("url", ["http://archive.example/a", "https://u:p@archive.example/"])
def test_an_address_that_may_not_be_called_is_not(http: Http, url: str) -> None:
    with pytest.raises(TransportError) as caught, http.stream(url, most_bytes=1):
        pass
    assert caught.value.code == "address_refused"


def test_a_body_that_nobody_wants_to_the_end_is_given_up(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(write=body(200)))
    with http.stream(f"{server.url}/a", most_bytes=1_000_000) as answer:
        next(answer.pieces)
    server.says("GET", "/a", Says(200, b"next"))
    assert streamed(http, server) == b"next"
