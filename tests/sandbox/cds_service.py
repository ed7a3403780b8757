"""A CDS service on loopback that answers what a test wants, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.clients import Client
from tests.sandbox.smart_client import CALLBACK

PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "studies": "ImagingStudy?patient={{context.patientId}}&_include=ImagingStudy:subject",
}


def service(**changes: Any) -> dict[str, Any]:
    right = {
        "hook": "patient-view",
        "id": "chest",
        "title": "Chest",
        "description": "Says something of chests",
        "prefetch": PREFETCH,
    }
    return {k: v for k, v in {**right, **changes}.items() if v is not None}


def card(**changes: Any) -> dict[str, Any]:
    right = {"summary": "One study is unread", "indicator": "info", "source": {"label": "Chest"}}
    return {k: v for k, v in {**right, **changes}.items() if v is not None}


@dataclass
class CdsService:
    """What it answers, and what it has been asked."""

    services: Any = field(default_factory=lambda: [service()])
    cards: Any = field(default_factory=lambda: [card()])
    body: bytes | None = None
    status: int = 200
    kind: str = "application/json"
    delay_s: float = 0.0
    drip: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    discoveries: int = 0
    root: str = ""

    @property
    def launch_url(self) -> str:
        return f"{self.root.removesuffix('/cds-services')}/launch"


def client_of(cds: CdsService, scopes: str) -> Client:
    """The app whose CDS service this is, as the hospital registers it."""
    return Client(
        "chest-app",
        "Chest app",
        "public",
        (CALLBACK,),
        cds.launch_url,
        scopes,
        cds_services_url=cds.root,
    )


class _Handler(BaseHTTPRequestHandler):
    service: CdsService

    def do_GET(self) -> None:
        if self.path.startswith("/launch"):
            self._send(200, "text/html", b"<!doctype html><title>x</title><p id=here>Here.</p>")
            return
        self.service.discoveries += 1
        self._send(
            200, "application/json", json.dumps({"services": self.service.services}).encode()
        )

    def do_POST(self) -> None:
        said = self.service
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        said.asked.append({"path": self.path, "headers": headers, "body": json.loads(body)})
        time.sleep(said.delay_s)
        answer = said.body if said.body is not None else json.dumps({"cards": said.cards}).encode()
        self._send(said.status, said.kind, answer, drip=said.drip)

    def _send(self, status: int, kind: str, body: bytes, *, drip: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", f"{self.service.root}/chest")
        self.end_headers()
        try:
            for place in range(len(body)) if drip else ():
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(0.05)
            if not drip:
                self.wfile.write(body)
        except OSError:
            pass  # The hospital has given up.

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_service() -> Iterator[CdsService]:
    made = CdsService()
    handler = type("Handler", (_Handler,), {"service": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.root = f"http://127.0.0.1:{server.server_port}/cds-services"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
