"""A real HTTP server in a thread: it answers as told, also badly, and remembers the questions."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    raw_query: str

    @property
    def form(self) -> dict[str, str]:
        """The body as form fields."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Says:
    """One answer; `write` replaces the body by whatever it writes to the socket."""

    status: int = 200
    body: bytes | dict[str, Any] | list[Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    write: Callable[[BaseHTTPRequestHandler], None] | None = None


Answering = Says | Callable[[Asked], Says]


class Loopback:
    """What the server says at each path, and what it was asked.

    Attributes
    ----------
    url : str
        Address without a closing slash.
    asked : list of Asked
        In order of arrival.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._scripts: dict[tuple[str, str], deque[Answering]] = {}

    def says(self, method: str, path: str, *answers: Answering) -> None:
        """Give these answers one after the other; the last one for ever."""
        self._scripts[method, path] = deque(answers)

    def asked_at(self, path: str) -> list[Asked]:
        """Requests to one path."""
        return [request for request in self.asked if request.path == path]

    def answer(self, request: Asked) -> Says:
        """Choose the answer to a request."""
        self.asked.append(request)
        script = self._scripts.get((request.method, request.path))
        if script is None:
            return Says(404, {"resourceType": "OperationOutcome", "issue": []})
        chosen = script.popleft() if len(script) > 1 else script[0]
        return chosen if isinstance(chosen, Says) else chosen(request)


@contextmanager
def running_server(*, https_context: Any = None) -> Iterator[Loopback]:
    """Run a server on a free port of the loopback interface."""
    book = Loopback()
    server = _Quiet(("127.0.0.1", 0), _handler(book))
    if https_context is not None:
        server.socket = https_context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if https_context is None else "https"
    book.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield book
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of these tests."""


def _handler(book: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = dict(self.headers.items())
            says = book.answer(Asked(self.command, parts.path, query, headers, body, parts.query))
            self.close_connection = True
            if says.write is not None:
                says.write(self)
            else:
                self._write(says)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - names of http.server

        def _write(self, says: Says) -> None:
            is_json = not isinstance(says.body, bytes)
            body = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
            self.send_response(says.status)
            headers = {"Content-Length": str(len(body)), "Connection": "close", **says.headers}
            if is_json:
                headers.setdefault("Content-Type", "application/fhir+json")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    return Handler
