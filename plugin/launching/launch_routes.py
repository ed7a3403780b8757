"""The way into Wetread: /launch, /callback/<ehr> and the end of a launch.

No cookie takes part (SMART App Launch 2.2.0 asks that state be bound to the user's session): the
page that begins a launch keeps a random binder in its tab's storage, and only a page that can
show it may finish the launch.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from plugin.ehrs import Ehr
from plugin.errors import LaunchDenied
from plugin.launching.callback_request import CallbackRequest, read_callback
from plugin.launching.finishing import finish
from plugin.launching.handles import current_launch, services
from plugin.web.security_headers import allow_framing
from smart_launch.launch import begin_launch

blueprint = Blueprint("launch", __name__)
log = logging.getLogger("wetread.launch")

BINDER_BYTES = 32
LONGEST_LAUNCH = 4096


@blueprint.get("/launch")
def launch() -> str:
    """Begin a launch: from an EHR with `iss` and `launch`, or standalone with `ehr`."""
    ehr, launch_code = _requested_ehr()
    allow_framing(ehr)
    parts = services()
    registration = ehr.registration(parts.settings.jwks_url)
    _, authorization = begin_launch(
        parts.http, registration, launch=launch_code, configurations=parts.configurations
    )
    binder = secrets.token_urlsafe(BINDER_BYTES)
    standalone = launch_code is None
    parts.states.remember(ehr, authorization, binder, standalone=standalone)
    log.info("launch_begun", extra={"ehr": ehr.id, "standalone": standalone})
    data = {"state": authorization.state, "binder": binder, "authorize": authorization.url}
    return render_template("launch.html", ehr=ehr, data=data)


@blueprint.get("/callback/<ehr_id>")
def callback_page(ehr_id: str) -> str:
    """Give the one document of a reading; nothing is exchanged here."""
    allow_framing(services().ehrs.by_id(ehr_id))
    return render_template("reading.html")


@blueprint.post("/callback/<ehr_id>")
def callback(ehr_id: str) -> Response:
    """Finish a launch: exchange the code, answer with the handle."""
    ehr = services().ehrs.by_id(ehr_id)
    _check_same_origin()
    arrived = _read_body()
    handle = finish(services(), ehr, arrived)
    return jsonify(handle=handle, idle_seconds=int(services().launches.idle_seconds))


@blueprint.get("/api/launch/style")
def style() -> Response:
    """Give the style that the EHR named with the launch; empty when there is none to be had."""
    found = current_launch()
    address = found.context.smart_style_url
    wishes = asdict(services().styles.get(found.ehr, address)) if address else {}
    return jsonify({name: value for name, value in wishes.items() if value is not None})


@blueprint.post("/api/launch/end")
def end() -> tuple[str, int]:
    """End the launch of the page that asks."""
    found = current_launch()
    services().tokens.end(found.id)
    log.info("launch_ended", extra={"ehr": found.ehr.id, "launch": found.id})
    return "", 204


def _requested_ehr() -> tuple[Ehr, str | None]:
    """Find the EHR by the registry alone, before anything is sent anywhere."""
    iss, ehr_id, code = (_single(name) for name in ("iss", "ehr", "launch"))
    registry = services().ehrs
    if iss is not None:
        ehr = registry.by_issuer(iss)
        if not code:
            raise LaunchDenied(
                "A launch from a chart must carry its launch value; this one has none.",
                code="launch_missing",
            )
        return ehr, code
    if ehr_id is not None:
        return registry.by_id(ehr_id), None
    raise LaunchDenied(
        "Wetread must be told which hospital system it is opened for; it was not.",
        code="issuer_missing",
    )


def _single(name: str) -> str | None:
    """Read a parameter that may come once; twice, two readers could pick different ones."""
    values = request.args.getlist(name)
    if len(values) > 1 or any(len(value) > LONGEST_LAUNCH for value in values):
        raise LaunchDenied(
            f"The parameter {name} must come once and be short; it did not.",
            code="parameters_invalid",
        )
    return values[0] if values else None


def _check_same_origin() -> None:
    """Refuse other sites' pages. A browser names its page in `Origin` or in `Sec-Fetch-Site`.

    A client that names neither is no browser, and cannot be made by a foreign page to send this.
    """
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    own = origin is None or origin == services().settings.base_url
    if not own or site != "same-origin":
        raise LaunchDenied(
            "A launch must be finished by Wetread's own page; another page tried.",
            code="origin_foreign",
            status=403,
        )


def _read_body() -> CallbackRequest:
    if request.mimetype != "application/json":
        raise LaunchDenied(
            "The callback must be sent as JSON; it came as something else.",
            code="not_json",
            status=415,
        )
    body: Any = request.get_json(silent=True)
    return read_callback(body)
