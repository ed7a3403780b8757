"""Gunicorn's settings, taken from Wetread's: `gunicorn -c python:plugin.web.gunicorn_config`."""

from __future__ import annotations

from typing import Any

from plugin.logs import ABOUT_REQUESTS, name_warnings_only
from plugin.settings import load_settings

_settings = load_settings()
# This process is configured by gunicorn, from below.
name_warnings_only()

wsgi_app = "plugin:create_app()"
bind = [_settings.bind]
# One process: it only waits for the database and the EHR, and each process costs memory.
workers = 1
worker_class = "gthread"
# Many: while callbacks wait for a hospital's token endpoint, that hospital may be waiting for our
# JWKS, which this process serves too.
threads = _settings.web_threads
graceful_timeout = 8
keepalive = 5
# An authorization code in the callback's address may be long.
limit_request_line = 8190
# The application writes its own access lines, without query strings.
accesslog = None
umask = 0o077
control_socket_disable = True
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "plugin.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": _settings.log_level, "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    }
    | {name: {"level": "CRITICAL"} for name in ABOUT_REQUESTS},
}
