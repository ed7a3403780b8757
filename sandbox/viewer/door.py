"""The viewer's blueprint, its session and the headers of its pages."""

from __future__ import annotations

import secrets
import threading
import time
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox import hospital

DEMO_USER = "Practitioner/demo-radiologist"
_LIFETIME_S = 12 * 3600
_MOST_SESSIONS = 1000

blueprint = Blueprint(
    "viewer",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/viewer/static",
)


class SessionBook:
    """Who has opened the viewer: random ids in memory, gone with the process."""

    def __init__(self) -> None:
        self._open: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self) -> str:
        """Open a session and give its id."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            if len(self._open) >= _MOST_SESSIONS:
                self._open.pop(min(self._open, key=lambda known: self._open[known]))
            self._open[session] = time.monotonic() + _LIFETIME_S
        return session

    def is_open(self, session: str) -> bool:
        """Whether the id is of an open session."""
        with self._lock:
            return self._open.get(session, 0.0) > time.monotonic()


_sessions = SessionBook()


def _cookie() -> str:
    # Cookies know no port: two hospitals on one machine must not sign each other's user out.
    return f"viewer_session_{hospital.current().settings.port}"


def signed_in() -> bool:
    """Whether this request comes from a browser that has opened the viewer."""
    return _sessions.is_open(request.cookies.get(_cookie(), ""))


@blueprint.before_request
def guard() -> BaseResponse | None:
    """Sign the demo user in on any page; everything else needs his session and this origin."""
    if request.endpoint == "viewer.static":
        return None
    if not _own_address():
        return redirect(f"{hospital.current().settings.base_url}/", 307)
    if not request.path.startswith("/viewer/"):
        if not signed_in():
            g.new_session = _sessions.start()
        return None
    if not signed_in():
        return Response("Open the viewer first.", 401, mimetype="text/plain")
    if not _same_origin():
        return Response("Only the viewer's own pages may ask this.", 403, mimetype="text/plain")
    return None


def _own_address() -> bool:
    # Every page signs somebody in, so a foreign name that leads to this machine (DNS rebinding)
    # must get none; and under another name no frame and no launch would fit together.
    return request.host_url.rstrip("/") == hospital.current().settings.base_url


def _same_origin() -> bool:
    # SameSite=Lax counts localhost:8080 and localhost:9000 as one site; the origin does not.
    if request.method in ("GET", "HEAD"):
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    return request.headers.get("Origin") == hospital.current().settings.base_url


@blueprint.after_request
def protect(response: Response) -> Response:
    """Set the session cookie of a new visitor, and the headers of every answer."""
    if new := g.pop("new_session", None):
        response.set_cookie(_cookie(), new, httponly=True, samesite="Lax", max_age=_LIFETIME_S)
    response.headers.setdefault("Content-Security-Policy", _policy())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "viewer.static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _policy() -> str:
    # A frame is checked against frame-src on every step of a launch: the client's page, then the
    # hospital's own authorization endpoint, then the client again.
    clients = sorted({_origin(c.launch_url) for c in hospital.current().clients.values()} - {""})
    frames = " ".join(["'self'", *clients])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        f"connect-src 'self'; frame-src {frames}; form-action {frames}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""
