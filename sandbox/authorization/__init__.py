"""Authorization server of the demo hospital (SMART App Launch 2.2, RFC 6749, RFC 9700).

The blueprint holds ``/auth/*`` and the discovery documents beside the FHIR base.
"""

from __future__ import annotations

from flask import Blueprint, Response

blueprint = Blueprint("authorization", __name__, template_folder="templates")


@blueprint.after_request
def _headers(response: Response) -> Response:
    """Nothing here is cached, leaks a Referer, or is framed where the hospital refuses frames."""
    from sandbox import hospital

    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if response.headers["Cache-Control"] == "no-store":
        response.headers["Pragma"] = "no-cache"  # RFC 6749 5.1
    if hospital.current().settings.refuse_frames:
        response.headers["X-Frame-Options"] = "DENY"
        response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
    return response


from sandbox.authorization import (  # noqa: E402  (the routes hang themselves on the blueprint)
    authorize_routes,
    configuration,
    sign_in_routes,
    style,
    token_routes,
)

__all__ = [
    "authorize_routes",
    "blueprint",
    "configuration",
    "sign_in_routes",
    "style",
    "token_routes",
]
