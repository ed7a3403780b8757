"""HTTP on loopback for the small hospital: what arrives, and what goes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """One answer; `cut` sends so many bytes and closes, whatever the headers promised."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


def query_of(text: str) -> dict[str, str]:
    """Take a query apart; what comes more than once is joined by spaces."""
    pairs = parse_qsl(text)
    return {name: " ".join(v for n, v in pairs if n == name) for name, _ in pairs}


def handler(answer: Callable[[Request], Reply]) -> type[BaseHTTPRequestHandler]:
    """Make a handler that gives every request to a function."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: two would wait for a delayed acknowledgement (40 ms).
        wbufsize = -1
        disable_nagle_algorithm = True

        def _do(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            request = Request(
                self.command,
                parts.path,
                query_of(parts.query),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(size),
            )
            reply = answer(request)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = _do  # noqa: N815 (the names that http.server calls)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
