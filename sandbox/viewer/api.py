"""What the viewer's scripts ask: launches, the list of patients, the switch for frames."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Response, abort, current_app, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox import hospital, launches
from sandbox.dicomweb import imaging
from sandbox.dicomweb.record import subject_id
from sandbox.viewer.chart import list_patients, list_studies, read_or_404, read_patient
from sandbox.viewer.door import DEMO_USER, blueprint
from sandbox.viewer.pages import embedded_client

_LAUNCH_TEXTS = ("client_id", "patient", "study", "encounter", "intent", "app_context")
_MOST_APP_CONTEXT = 4096


@blueprint.post("/viewer/launches")
def make_launch() -> Response:
    """Make a launch for a frame or a window; a new one for every load."""
    asked = request.get_json(silent=True)
    if not isinstance(asked, dict):
        abort(400)
    texts = {name: asked.get(name) for name in _LAUNCH_TEXTS}
    if any(value is not None and not isinstance(value, str) for value in texts.values()):
        abort(400)
    banner = asked.get("need_patient_banner") is True
    return jsonify(_launch(texts, need_patient_banner=banner))


@blueprint.get("/viewer/window")
def open_window() -> BaseResponse:
    """Open the embedded client in a window of its own, first-party."""
    client = embedded_client()
    if client is None:
        abort(404)
    texts = {"client_id": client.client_id} | {
        name: request.args.get(name) for name in ("patient", "study", "intent")
    }
    made = _launch(texts, need_patient_banner=True)
    if made["post"]:
        return Response(render_template("viewer/post_launch.html", made=made))
    return redirect(str(made["url"]), 303)


def _launch(asked: dict[str, str | None], *, need_patient_banner: bool) -> dict[str, object]:
    patient, study = asked.get("patient"), asked.get("study")
    if patient is None:
        abort(400)
    read_or_404("Patient", patient)
    if study is not None and subject_id(read_or_404("ImagingStudy", study)) != patient:
        abort(404)
    encounter = asked.get("encounter")
    if encounter is not None and subject_id(read_or_404("Encounter", encounter)) != patient:
        abort(404)
    client = hospital.current().clients.get(asked.get("client_id") or "")
    if client is None or not client.interactive:
        abort(404)
    if len(asked.get("app_context") or "") > _MOST_APP_CONTEXT:
        abort(400)
    launch = launches.mint(
        client.client_id,
        patient,
        study,
        asked.get("intent"),
        DEMO_USER,
        encounter=encounter,
        app_context=asked.get("app_context"),
        need_patient_banner=need_patient_banner,
    )
    iss = hospital.current().settings.fhir_base
    url = _with_query(client.launch_url, {"iss": iss, "launch": launch})
    return {"launch": launch, "iss": iss, "url": url, "post": client.post_launch}


def _with_query(address: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit(parts._replace(query=query))


@blueprint.get("/viewer/patients")
def patient_rows() -> Response:
    """List the patients as JSON; ``source=images`` only those of the folder, in file order."""
    found = list_patients(request.args.get("q", "")[:200])
    if request.args.get("source") == "images":
        imported = set(imaging.current().imported)
        found = [patient for patient in found if patient.id in imported]
    rows = [{"id": p.id, "name": p.name, "number": p.number} for p in found]
    return jsonify({"patients": rows})


@blueprint.get("/viewer/patients/<patient>/studies")
def study_rows(patient: str) -> Response:
    """List a patient's studies as JSON."""
    read_patient(patient)
    rows = [{"id": s.id, "uid": s.uid, "title": s.title} for s in list_studies(patient)]
    return jsonify({"studies": rows})


@blueprint.post("/viewer/switches")
def switch() -> Response:
    """Make the authorization server refuse frames, or not; until the hospital is restarted."""
    asked = request.get_json(silent=True)
    if not isinstance(asked, dict) or not isinstance(asked.get("refuse_frames"), bool):
        abort(400)
    house = hospital.current()
    settings = replace(house.settings, refuse_frames=asked["refuse_frames"])
    current_app.extensions["sandbox"] = replace(house, settings=settings)
    return jsonify({"refuse_frames": settings.refuse_frames})
