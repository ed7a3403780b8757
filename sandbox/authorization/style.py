"""The hospital's style for the clients that it shows (SMART 2.2, "Styling")."""

from __future__ import annotations

import hashlib
import json

from flask import Response, abort

from sandbox import hospital
from sandbox.authorization import blueprint

# The light colours of ``viewer.css``: clients in a panel then look like the chart around them.
STYLE = {
    "color_background": "#f3f5f6",
    "color_error": "#a8332a",
    "color_highlight": "#1f6f78",
    "color_modal_backdrop": "",
    "color_success": "#2b6e3f",
    "color_text": "#1b2529",
    "dim_border_radius": "8px",
    "dim_font_size": "15px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "font_family_heading": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
}
_BODY = json.dumps(STYLE, indent=1)
# Clients may keep a style by its address, so another style must have another address.
_VERSION = hashlib.sha256(_BODY.encode()).hexdigest()[:12]


def style_url() -> str:
    """Address of the style, as token responses name it."""
    settings = hospital.current().settings
    return settings.style_url or f"{settings.base_url}/auth/style/{_VERSION}.json"


@blueprint.get("/auth/style/<version>.json")
def style(version: str) -> Response:
    """The style, readable from any page."""
    if version != _VERSION:
        abort(404)
    response = Response(_BODY, mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=86400"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
