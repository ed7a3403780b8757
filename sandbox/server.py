"""A hospital that answers on loopback from a thread, for tests and the demo."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox import create_app

if TYPE_CHECKING:
    from sandbox.settings import SandboxSettings


class _QuietHandler(WSGIRequestHandler):
    """Logs no addresses: query strings carry launch codes and authorization codes."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class RunningSandbox:
    """Context manager: a whole hospital in a thread.

    Parameters
    ----------
    settings : SandboxSettings
        Its port may be 0: then a free one is taken, and every address says so.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self._server = make_server(
            settings.host,
            settings.port,
            Flask("starting"),
            threaded=True,
            request_handler=_QuietHandler,
        )
        self.settings = replace(settings, port=self._server.port)
        try:
            self.app = create_app(self.settings)
        except BaseException:
            self._server.server_close()
            raise
        # The application must know its port, which is known only once the socket is bound.
        self._server.app = self.app
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def base_url(self) -> str:
        """Address of the hospital."""
        return self.settings.base_url

    @property
    def fhir_base(self) -> str:
        """FHIR base, the ``iss`` of launches."""
        return self.settings.fhir_base

    @property
    def dicomweb_base(self) -> str:
        """DICOMweb service root."""
        return self.settings.dicomweb_base

    def start(self) -> RunningSandbox:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()
        self.app.extensions["sandbox"].fhir.close()

    def __enter__(self) -> RunningSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
