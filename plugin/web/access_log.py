"""One log line for each request: method, route, status, time; no query string, no header."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

log = logging.getLogger("wetread.access")
QUIET = ("/healthz", "/readyz")


def add_access_log(app: Flask) -> None:
    """Write the line at the end of every request."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def write(response: Response) -> Response:
        level = logging.DEBUG if request.path in QUIET else logging.INFO
        fields = {
            "method": request.method,
            # The rule, not the path: a path of someone's making could carry anything.
            "route": request.url_rule.rule if request.url_rule else None,
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.started) * 1000, 1) if "started" in g else None,
        }
        log.log(level, "request", extra=fields)
        return response
