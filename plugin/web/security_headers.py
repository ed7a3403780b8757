"""Headers of every answer: content security policy, framing, referrer, caching; and no cookies.

`frame-ancestors` is `'none'` unless a view has called `allow_framing`: only the two documents of a
launch, `/launch` and `/callback/<ehr>`, do so, for that EHR's origins.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, Response, g, request
from flask.sessions import SessionInterface, SessionMixin

from plugin.ehrs import Ehr

NOBODY = "'none'"
PERMISSIONS = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb", "midi")


class NoSession(SessionInterface):
    """Sessions need a cookie, and Wetread sets none: there is no session at all."""

    def open_session(self, app: Flask, request: Any) -> SessionMixin | None:  # noqa: ARG002
        """Give none."""
        return None

    def make_null_session(self, app: Flask) -> Any:  # noqa: ARG002
        """Give none here either."""
        return None

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Save nothing."""


def allow_framing(ehr: Ehr) -> None:
    """Let this EHR's origins show the present document in a frame."""
    g.frame_ancestors = " ".join(ehr.frame_ancestors) or NOBODY


def csp_nonce() -> str:
    """Give the nonce of the present document; the same throughout one request."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(18)
    found: str = g.csp_nonce
    return found


def content_security_policy() -> str:
    """Give the policy of the present answer."""
    nonce = csp_nonce()
    return "; ".join(
        (
            "default-src 'none'",
            # Modules import each other by path: 'self' beside the nonce.
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' blob: data:",
            "font-src 'self'",
            "connect-src 'self'",
            # PDFs are fetched with the handle and shown from a blob.
            "frame-src blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {g.get('frame_ancestors', NOBODY)}",
        )
    )


def add_security_headers(app: Flask, base_url: str) -> None:
    """Put the headers on every answer of the application, errors included."""
    app.session_interface = NoSession()
    secure = base_url.startswith("https://")

    @app.after_request
    def put_headers(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = content_security_policy()
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Permissions-Policy"] = ", ".join(f"{name}=()" for name in PERMISSIONS)
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["X-Robots-Tag"] = "noindex"
        if "frame_ancestors" not in g:
            # For old browsers; it knows no list of origins, so framed documents go without.
            headers["X-Frame-Options"] = "DENY"
        if secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if "Cache-Control" not in headers or request.path.startswith("/api/"):
            headers["Cache-Control"] = "no-store"
        return response

    @app.context_processor
    def nonce_for_templates() -> dict[str, Any]:
        return {"csp_nonce": csp_nonce()}
