"""Stands between the hospital and its FHIR server, and interferes with single requests."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT_S = 30
# Of one connection only (RFC 9110 7.6.1); the length is counted anew.
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Exchange:
    """A request that has arrived.

    Attributes
    ----------
    line : str
        ``METHOD path?query``.
    forward : callable
        Sends it to the server and gives the answer.
    """

    line: str
    body: bytes
    forward: Callable[[], Answer]


# Hands the request on when it likes, or never; None closes the connection without an answer.
Trick = Callable[[Exchange], Answer | None]


class Proxy:
    """A context manager that listens on a free loopback port.

    Parameters
    ----------
    url : str
        FHIR base of the server behind; it may be away for a while.

    Attributes
    ----------
    requests : list of str
        ``METHOD path?query`` of every request, in order.
    failures : list of Exception
        What tricks raised; nobody else would hear of it.
    """

    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self.requests: list[str] = []
        self.failures: list[Exception] = []
        self._tricks: list[tuple[re.Pattern[str], bytes, Trick]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """FHIR base as seen through the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._behind.path}"

    def once(self, pattern: str, trick: Trick, *, holding: bytes = b"") -> None:
        """Play a trick on the next request whose line fits and whose body holds these bytes."""
        with self._lock:
            self._tricks.append((re.compile(pattern), holding, trick))

    def all_played(self) -> bool:
        """Whether no trick is waiting: a test whose trick was never met has shown nothing."""
        with self._lock:
            return not self._tricks

    def answer(self, exchange: Exchange) -> Answer | None:
        """Note a request and give its answer; None where there is none."""
        trick = self._noted(exchange)
        try:
            return exchange.forward() if trick is None else trick(exchange)
        except (OSError, http.client.HTTPException):
            return None  # The server is away.
        except Exception as error:
            self.failures.append(error)
            return None

    def _noted(self, exchange: Exchange) -> Trick | None:
        with self._lock:
            self.requests.append(exchange.line)
            for number, (pattern, holding, trick) in enumerate(self._tricks):
                if pattern.search(exchange.line) and holding in exchange.body:
                    del self._tricks[number]
                    return trick
        return None

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a request to the server; its Host stays, so that links come back through here."""
        connection = http.client.HTTPConnection(
            self._behind.hostname or "", self._behind.port, timeout=TIMEOUT_S
        )
        try:
            connection.request(method, path, body or None, headers)
            got = connection.getresponse()
            kept = [(n, v) for n, v in got.getheaders() if n.lower() not in HOP_BY_HOP]
            return Answer(got.status, tuple(kept), got.read())
        finally:
            connection.close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method, path = self.command, self.path
            headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP_BY_HOP}
            forward = partial(proxy.forward, method, path, headers, body)
            answer = proxy.answer(Exchange(f"{method} {path}", body, forward))
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 (the names that http.server calls)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
