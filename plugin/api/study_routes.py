"""The patient, the list of studies and the opened study: what the page shows before a reading."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from plugin.api.study_list import latest_readings, list_reports, note_seen, study_entry
from plugin.errors import PluginError
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study
from plugin.imaging.patient_card import patient_identifiers, patient_name
from plugin.imaging.studies import list_studies
from plugin.jobs.installed_models import known_models
from plugin.jobs.job_rows import JobRows
from plugin.jobs.messages import OPEN_STUDY, READ
from plugin.jobs.queueing import cache, enqueue, nudge
from plugin.jobs.sweep import resume_awaiting
from plugin.launching.handles import current_launch, services
from plugin.launching.launches import OpenLaunch
from plugin.launching.wanted_study import wanted_study
from plugin.readings import RUNNING, Opening, Reading
from plugin.record import record_of
from plugin.steps import OPENING_STEPS, waiting

blueprint = Blueprint("studies", __name__, url_prefix="/api")


class NotFound(PluginError):  # noqa: N818 (the HTTP status)
    """What was asked for does not exist, or not for this launch."""

    code = "not_found"
    title = "This is no longer here"
    next_step = "Open the study again from the list."
    status = 404


class BadRequest(PluginError):  # noqa: N818 (the HTTP status)
    """A request that the page would not send."""

    code = "bad_request"
    title = "Wetread did not understand the request"
    next_step = "Reload the page."
    status = 400


def asked_study() -> str:
    """Read the study id of a request's body.

    Raises
    ------
    BadRequest
    """
    body = request.get_json(silent=True)
    study = body.get("study") if isinstance(body, dict) else None
    if not isinstance(study, str) or not 0 < len(study) <= 64:
        raise BadRequest('The body must be {"study": "<id>"}; it is not.')
    return study


@blueprint.get("/launch")
def show_launch() -> Response:
    """Whose chart is open, who looks at it, and what is not allowed."""
    launch = current_launch()
    patient = record_of(services(), launch).read("Patient", launch.context.require_patient())
    _resume(launch)
    wanted = wanted_study(launch.context)
    limits = [text for model in known_models(services().database) for text in model.limits]
    return jsonify(
        ehr={"id": launch.ehr.id, "name": launch.ehr.name},
        patient={
            "id": patient["id"],
            "name": patient_name(patient),
            "birth_date": patient.get("birthDate"),
            "sex": patient.get("gender"),
            "identifiers": patient_identifiers(patient),
        },
        user={"name": " ".join(launch.user.split("/")[-2:])} if launch.user else None,
        need_patient_banner=launch.context.need_patient_banner,
        study=wanted.id,
        study_uid=wanted.uid,
        study_unclear=wanted.unclear,
        intent=launch.context.intent,
        style=url_for("launch.style") if launch.context.smart_style_url else None,
        missing_scopes=[asdict(entry) for entry in launch.missing],
        writes=launch.ehr.write != "none",
        limits=list(dict.fromkeys(limits)),
    )


@blueprint.get("/studies")
def show_studies() -> Response:
    """List the patient's studies, what can be read of them, and what has been read."""
    launch, parts = current_launch(), services()
    record, patient = record_of(parts, launch), launch.context.require_patient()
    rules = ArchiveRules(launch.ehr.issuer, launch.ehr.pacs_origins)
    kinds = {m for model in known_models(parts.database) for m in model.modalities}
    studies: list[Study] = list_studies(record, patient, rules, kinds)
    note_seen(parts.database, launch.id, [study.id for study in studies])
    readings = latest_readings(parts.database, launch, studies)
    reports = list_reports(record, patient)
    entries = [
        study_entry(study, readings.get(study.id), reports.by_study.get(study.id, []))
        for study in studies
    ]
    return jsonify(studies=entries, reports_problem=reports.problem)


@blueprint.post("/openings")
def begin_opening() -> tuple[Response, int]:
    """Ask for the pictures of a study."""
    launch, study = current_launch(), asked_study()
    row = Opening(
        launch_id=launch.id,
        ehr_id=launch.ehr.id,
        issuer=launch.ehr.issuer,
        patient=launch.context.require_patient(),
        study_id=study,
        steps=waiting(OPENING_STEPS),
        open_key=f"{launch.id}/{study}",
    )
    return jsonify(id=enqueue(JobRows(services().database, Opening), row, OPEN_STUDY)), 202


@blueprint.get("/openings/<opening_id>")
def show_opening(opening_id: str) -> Response:
    """Say how far the pictures are."""
    row = _own_opening(opening_id)
    steps = [step for step in row.steps if step["state"] in (RUNNING, "failed")]
    step = {"name": steps[-1]["name"], "label": steps[-1]["label"]} if steps else None
    return jsonify(
        id=row.id,
        state=row.state,
        step=step,
        problem=row.problem,
        study=row.study,
        images=[_with_addresses(row.id, image) for image in row.images],
    )


@blueprint.get("/openings/<opening_id>/images/<int:number>.jpg")
def show_jpeg(opening_id: str, number: int) -> Response:
    """Send the picture of one image."""
    return _picture(opening_id, number, "jpg", "image/jpeg")


@blueprint.get("/openings/<opening_id>/images/<int:number>.values")
def show_values(opening_id: str, number: int) -> Response:
    """Send the grey values of one image, for window and level in the browser."""
    return _picture(opening_id, number, "values", "application/octet-stream")


def send_private(path: Path, media_type: str) -> Response:
    """Send a cached file that must not be kept by the browser.

    Raises
    ------
    NotFound
        It has been deleted after its time.
    """
    if not path.is_file():
        raise NotFound("Pictures are kept for a limited time; this one has been deleted.")
    return Response(path.read_bytes(), mimetype=media_type, headers={"Cache-Control": "no-store"})


def _own_opening(opening_id: str) -> Opening:
    launch = current_launch()
    row = JobRows(services().database, Opening).get(opening_id)
    if row is None or row.launch_id != launch.id:
        raise NotFound("A study is shown to the page that opened it; this page did not.")
    return row


def _picture(opening_id: str, number: int, kind: str, media_type: str) -> Response:
    row = _own_opening(opening_id)
    image = next((one for one in row.images if one["number"] == number), None)
    if image is None or "drawn_from" not in image:
        raise NotFound("A picture must be one of the study's; this one is not.")
    folder = cache().pictures(cache().folder(row.launch_id, row.study_id), image["drawn_from"])
    return send_private(folder / f"{number}.{kind}", media_type)


def _with_addresses(opening_id: str, image: dict[str, Any]) -> dict[str, Any]:
    place = {"opening_id": opening_id, "number": image["number"]}
    values = image["values"] | {"url": url_for("studies.show_values", **place)}
    shown = {name: value for name, value in image.items() if name != "drawn_from"}
    return shown | {"jpeg": url_for("studies.show_jpeg", **place), "values": values}


def _resume(launch: OpenLaunch) -> None:
    """A new launch of the same user finishes what the last one could not write."""
    parts = services()
    rows = JobRows(parts.database, Reading)
    for row_id in resume_awaiting(rows, launch, nudge_s=parts.settings.job_sweep_s):
        nudge(READ, row_id)
