"""What machines ask: liveness, readiness, and Wetread's public keys."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from plugin.jobs.heartbeat import SILENT_SECONDS, worker_age_s
from plugin.launching.handles import services
from smart_launch.client_keys import JWKS_CACHE_CONTROL

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """Tell that this process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Tell whether a reading could be made: database up to date, a worker alive."""
    database = services().database
    checks = {"database": database.is_current()}
    age = worker_age_s(database) if checks["database"] else None
    checks["worker"] = age is not None and age < SILENT_SECONDS
    good = all(checks.values())
    return jsonify(status="ok" if good else "not ready", checks=checks), 200 if good else 503


@blueprint.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Give the public halves of the signing keys (RFC 7517)."""
    response = jsonify(services().keys.signing.public_jwks())
    response.headers["Cache-Control"] = JWKS_CACHE_CONTROL
    return response
