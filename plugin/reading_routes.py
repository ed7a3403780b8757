"""The readings of a study: ask for one, follow it, fetch its heat map and its report."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("readings", __name__)
