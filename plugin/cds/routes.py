"""CDS Hooks 2.0 over HTTP: discovery, and the one service. Never runs a model.

Who calls comes first, then how often, then the body: a stranger's megabytes are not read.
"""

from __future__ import annotations

import logging
import time
import weakref
from dataclasses import dataclass, field, replace

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask.blueprints import BlueprintSetupState

from plugin.cds.body import Places, read_body
from plugin.cds.call import Call, read_call
from plugin.cds.caller_keys import CallerKeys
from plugin.cds.callers import Callers
from plugin.cds.cards import CardMaker
from plugin.cds.chart import Charts, Prefetched, read_prefetched
from plugin.cds.chest_studies import chest_studies
from plugin.cds.errors import CallerUnknown, CdsError, TooManyCalls
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
CORS_SECONDS = 600
# CDS Hooks 2.0 wants answers within 500 ms; what can still be awaited ends before that.
BUDGET_S = 0.42


@dataclass(frozen=True)
class Desk:
    """What answers calls; made once for each application."""

    callers: Callers
    charts: Charts
    pace: Pace
    places: Places = field(default_factory=Places)


@blueprint.record_once
def open_desk(state: BlueprintSetupState) -> None:
    """Lay out what the calls of this application need."""
    parts: Services = state.app.extensions[SERVICES]
    audience = f"{parts.settings.base_url}{SERVICE_PATH}"
    keys = CallerKeys()
    calling = (ehr for ehr in parts.ehrs if ehr.cds_issuer)
    keys.keep({ehr.id: ehr.cds_jwks_url for ehr in calling if ehr.cds_jwks_url})
    # Looked after as long as there is an application, and not longer.
    weakref.finalize(state.app, keys.close)
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
    deadline = started + BUDGET_S
    call, prefetched = _read(desk, ehr, deadline)
    cards = _cards(desk, call, prefetched, ehr, deadline)
    ms = round((time.monotonic() - started) * 1000, 1)
    log.info("cds_answered", extra={"ehr": ehr.id, "cards": len(cards), "ms": ms})
    return jsonify(cards=cards)


def _read(desk: Desk, ehr: Ehr, deadline: float) -> tuple[Call, Prefetched]:
    """Read a call, and let go of what it holds too much before anything is searched."""
    with desk.places.needed_by(request, ehr.id):
        call = read_call(read_body(request, deadline), ehr)
        return replace(call, prefetch={}), read_prefetched(call, ehr)


def _cards(
    desk: Desk, call: Call, prefetched: Prefetched, ehr: Ehr, deadline: float
) -> list[dict[str, object]]:
    models = known_models(services().database)
    kinds = {modality for model in models for modality in model.modalities}
    if not call.for_clinician or not kinds:
        return []
    chart = desk.charts.read(call, prefetched, ehr, deadline)
    found = chest_studies(chart, ehr.issuer, kinds)
    base_url = services().settings.base_url
    about = f"{base_url}/models/{models[0].name}"
    return CardMaker(f"{base_url}/launch", about).cards(found)


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
