"""CDS Hooks 2.0 over HTTP: discovery, and the one service. Never runs a model.

Who calls comes first, then how often, then the body: a stranger's megabytes are not read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import RequestEntityTooLarge

from plugin.cds.call import Call, read_call
from plugin.cds.caller_keys import CallerKeys
from plugin.cds.callers import Callers
from plugin.cds.cards import CardMaker
from plugin.cds.chart import Charts
from plugin.cds.chest_studies import chest_studies
from plugin.cds.errors import (
    CallerUnknown,
    CallInvalid,
    CallTooLarge,
    CdsError,
    TooManyCalls,
)
from plugin.cds.pace import Pace
from plugin.cds.replay import AcceptedCalls
from plugin.cds.service import DISCOVERY_PATH, SERVICE_PATH, discovery
from plugin.ehrs import Ehr
from plugin.jobs.installed_models import known_models
from plugin.launching.handles import EXTENSION as SERVICES
from plugin.launching.handles import services
from plugin.services import Services

blueprint = Blueprint("cds", __name__)
log = logging.getLogger("wetread.cds")

EXTENSION = "wetread.cds"
# Two decades of reports with their narratives; as much as one search may bring.
LARGEST_BODY = 4 * 1024**2
# Read, a body takes some twenty times its size in the worst case: few large ones at a time.
LARGE_BODY = 256 * 1024
LARGE_AT_ONCE = 2
CORS_SECONDS = 600
# CDS Hooks 2.0 wants answers within 500 ms; what can still be awaited ends before that.
BUDGET_S = 0.42


@dataclass(frozen=True)
class Desk:
    """What answers calls; made once for each application."""

    callers: Callers
    charts: Charts
    pace: Pace
    large: threading.Semaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(LARGE_AT_ONCE)
    )


@blueprint.record_once
def open_desk(state: BlueprintSetupState) -> None:
    """Lay out what the calls of this application need."""
    parts: Services = state.app.extensions[SERVICES]
    audience = f"{parts.settings.base_url}{SERVICE_PATH}"
    keys = CallerKeys()
    keys.keep({ehr.cds_jwks_url for ehr in parts.ehrs if ehr.cds_issuer and ehr.cds_jwks_url})
    callers = Callers(parts.ehrs, keys, AcceptedCalls(parts.database), audience)
    state.app.extensions[EXTENSION] = Desk(callers, Charts(), Pace())


@blueprint.get(DISCOVERY_PATH)
def show_services() -> Response:
    """Say what can be registered; the same for everybody."""
    return jsonify(discovery())


@blueprint.post(SERVICE_PATH)
def answer_call() -> Response:
    """Answer `patient-view` with a card about the patient's chest studies, or with none."""
    desk: Desk = current_app.extensions[EXTENSION]
    started = time.monotonic()
    ehr = g.cds_caller = desk.callers.identify(request.headers.get("Authorization"), BUDGET_S)
    if not desk.pace.allows(ehr.id):
        raise TooManyCalls("An EHR may call as often as charts are opened; it calls more often.")
    with _room(desk, started + BUDGET_S):
        call = read_call(_body(), ehr)
        cards = _cards(desk, call, ehr, started + BUDGET_S)
    ms = round((time.monotonic() - started) * 1000, 1)
    log.info("cds_answered", extra={"ehr": ehr.id, "cards": len(cards), "ms": ms})
    return jsonify(cards=cards)


def _cards(desk: Desk, call: Call, ehr: Ehr, deadline: float) -> list[dict[str, object]]:
    models = known_models(services().database)
    kinds = {modality for model in models for modality in model.modalities}
    if not call.for_clinician or not kinds:
        return []
    found = chest_studies(desk.charts.read(call, ehr, deadline), ehr.issuer, kinds)
    base_url = services().settings.base_url
    about = f"{base_url}/models/{models[0].name}/card"
    return CardMaker(f"{base_url}/launch", about).cards(found)


@contextmanager
def _room(desk: Desk, deadline: float) -> Iterator[None]:
    """Wait until a large body may be read, or one that does not say how large it is."""
    length = request.content_length
    if length is not None and (length <= LARGE_BODY or length > LARGEST_BODY):
        yield
        return
    if not desk.large.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TooManyCalls("Large charts are read a few at a time; several others are being read.")
    try:
        yield
    finally:
        desk.large.release()


def _body() -> bytes:
    if request.mimetype != "application/json":
        raise CallInvalid("A call must be sent as JSON.", code="not_json", status=415)
    request.max_content_length = LARGEST_BODY
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise CallTooLarge(
            f"A call must not be larger than {LARGEST_BODY // 1024**2} MiB; this one is."
        ) from error


@blueprint.errorhandler(CdsError)
def refuse(error: CdsError) -> Response:
    """Say what is wrong, for the integrator who reads the EHR's log."""
    caller: Ehr | None = g.get("cds_caller")
    named = caller.id if caller else None
    log.info("cds_refused", extra={"code": error.code, "ehr": named})
    response = jsonify(error.problem().as_json())
    response.status_code = error.status
    if isinstance(error, CallerUnknown):
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, TooManyCalls):
        response.headers["Retry-After"] = "1"
    return response


@blueprint.after_request
def allow_registered_pages(response: Response) -> Response:
    """Let the pages of EHRs that may call read the answer, and nobody else's (CORS).

    Once the caller is known, only its own.
    """
    response.vary.add("Origin")
    caller: Ehr | None = g.get("cds_caller")
    callers = (caller,) if caller else tuple(e for e in services().ehrs if e.cds_issuer)
    origin = request.headers.get("Origin")
    if origin is not None and any(origin in ehr.frame_ancestors for ehr in callers):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = str(CORS_SECONDS)
    return response
