"""``/healthz``: whether the hospital is open."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from sandbox import hospital

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> tuple[Response, int]:
    """200 while the records answer, else 503."""
    well = hospital.current().fhir.health()
    return jsonify({"status": "ok" if well else "the records do not answer"}), 200 if well else 503
