"""The readings of a study: ask for one, follow it, fetch its heat map and its report."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, url_for

from plugin.api.report_now import report_now
from plugin.api.study_list import has_seen, read_at
from plugin.api.study_routes import NotFound, asked_study, send_private
from plugin.jobs.job_rows import JobRows
from plugin.jobs.messages import READ
from plugin.jobs.queueing import cache, enqueue
from plugin.jobs.result_files import HEAT_MAP, REPORT_PDF
from plugin.launching.handles import current_launch, services
from plugin.readings import Reading
from plugin.record import record_of
from plugin.reporting.fhir_codes import own_code_system
from plugin.steps import READING_STEPS, waiting

blueprint = Blueprint("readings", __name__)

REPORT_FIELDS = (
    "reference",
    "observation",
    "status",
    "status_now",
    "saved",
    "unknown",
    "sentence",
)


@blueprint.post("/api/readings")
def begin_reading() -> tuple[Response, int]:
    """Ask for a reading; the same launch, study and unfinished reading is the same one."""
    launch, study = current_launch(), asked_study()
    row = Reading(
        launch_id=launch.id,
        ehr_id=launch.ehr.id,
        issuer=launch.ehr.issuer,
        patient=launch.context.require_patient(),
        study_id=study,
        user_key=launch.user_key,
        steps=waiting(READING_STEPS),
        open_key=f"{launch.id}/{study}",
    )
    return jsonify(id=enqueue(JobRows(services().database, Reading), row, READ)), 202


@blueprint.get("/api/readings/<reading_id>")
def show_reading(reading_id: str) -> Response:
    """Say how far a reading is and what came out."""
    row = _readable(reading_id)
    return jsonify(
        id=row.id,
        state=row.state,
        tries=row.attempts,
        read_at=read_at(row),
        steps=row.steps,
        problem=row.problem,
        result=_result(row),
        report=_report(row),
        timings_ms=row.timings_ms,
    )


@blueprint.get("/api/readings/<reading_id>/heat-map.png")
def show_heat_map(reading_id: str) -> Response:
    """Send the heat map over the whole image."""
    row = _readable(reading_id)
    if not (row.result or {}).get("heat_map"):
        raise NotFound("A heat map is shown with its result; this reading has none.")
    return send_private(cache().results(row.id) / HEAT_MAP, "image/png")


@blueprint.get("/api/readings/<reading_id>/report.pdf")
def show_report(reading_id: str) -> Response:
    """Send the report's PDF."""
    row = _readable(reading_id)
    if row.result is None or not (row.report or {}).get("pdf"):
        raise NotFound("A report is shown with its result; this reading has none.")
    return send_private(cache().results(row.id) / REPORT_PDF, "application/pdf")


@blueprint.get("/fhir/CodeSystem/wetread")
def show_code_system() -> Response:
    """Send the code system that the reports use; public, for EHRs that want to load it."""
    response = jsonify(own_code_system())
    response.mimetype = "application/fhir+json"
    return response


def _readable(reading_id: str) -> Reading:
    """Find a reading that this launch may see.

    Its own; or one of the same EHR and patient whose study this user's own token has read.

    Raises
    ------
    NotFound
        In every other case alike: even that it exists is not told.
    """
    launch, database = current_launch(), services().database
    row = JobRows(database, Reading).get(reading_id)
    if row is not None and row.launch_id == launch.id:
        return row
    if (
        row is not None
        and row.issuer == launch.ehr.issuer
        and row.patient == launch.context.require_patient()
        and has_seen(database, launch.id, row.study_id)
    ):
        return row
    raise NotFound("A reading is shown where its study may be seen; here it may not.")


def _result(row: Reading) -> dict[str, Any] | None:
    if row.result is None:
        return None
    address = url_for("readings.show_heat_map", reading_id=row.id)
    return row.result | {"heat_map": address if row.result.get("heat_map") else None}


def _report(row: Reading) -> dict[str, Any] | None:
    launch = current_launch()
    report = report_now(row, launch, record_of(services(), launch))
    if report is None:
        return None
    pdf = url_for("readings.show_report", reading_id=row.id) if report.get("pdf") else None
    shown = {"reference": report.get("report")} | report
    return {name: shown.get(name) for name in REPORT_FIELDS} | {"pdf": pdf}
