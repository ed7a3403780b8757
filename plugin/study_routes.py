"""The patient, the list of studies and the opened study: what the page shows before a reading."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("studies", __name__, url_prefix="/api")
