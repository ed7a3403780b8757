"""The viewer's pages."""

from __future__ import annotations

from flask import render_template, request

from sandbox import hospital
from sandbox.clients import Client
from sandbox.errors import FhirProblem
from sandbox.viewer.chart import (
    list_patients,
    list_reports,
    list_studies,
    read_patient,
    read_study,
)
from sandbox.viewer.door import blueprint
from sandbox.viewer.studies import StudyView

MOST_SIDE_BY_SIDE = 4


def embedded_client() -> Client | None:
    """The client that charts embed: the first that people can open."""
    return next((c for c in hospital.current().clients.values() if c.interactive), None)


def card_client() -> Client | None:
    """The first client that can be asked for cards; None where a chart asks nobody."""
    clients = hospital.current().clients.values()
    return next((c for c in clients if c.interactive and c.cds_services_url), None)


@blueprint.context_processor
def _frame() -> dict[str, object]:
    return {
        "client": embedded_client(),
        "card_client": card_client(),
        # The services' time, and what the hospital's own record may take for the prefetch while it
        # draws the same chart's pictures.
        "card_wait_ms": 4000 + int(1000 * hospital.current().settings.cds_budget_s),
        "refuse_frames": hospital.current().settings.refuse_frames,
    }


@blueprint.get("/")
def patients() -> str:
    """The patient list."""
    words = request.args.get("q", "")[:200]
    return render_template("viewer/patients.html", patients=list_patients(words), words=words)


@blueprint.get("/patients/<patient>")
def summary(patient: str) -> str:
    """A chart, opened on its summary."""
    return render_template(
        "viewer/summary.html",
        patient=read_patient(patient),
        studies=list_studies(patient),
        reports=list_reports(patient),
        tab="summary",
    )


@blueprint.get("/patients/<patient>/imaging")
def studies(patient: str) -> str:
    """A chart's studies, and the place to add one."""
    return render_template(
        "viewer/imaging.html",
        patient=read_patient(patient),
        studies=list_studies(patient),
        tab="imaging",
    )


@blueprint.get("/patients/<patient>/imaging/<study>")
def study(patient: str, study: str) -> str:
    """One study: its images, and the client's panel beside them."""
    return render_template(
        "viewer/study.html",
        patient=read_patient(patient),
        study=read_study(patient, study),
        reports=list_reports(patient, study),
        tab="imaging",
    )


@blueprint.get("/patients/<patient>/reports")
def reports(patient: str) -> str:
    """A chart's reports."""
    return render_template(
        "viewer/reports.html",
        patient=read_patient(patient),
        reports=list_reports(patient),
        studies={one.id: one for one in list_studies(patient)},
        tab="reports",
    )


@blueprint.get("/compare")
def compare() -> str:
    """Several charts side by side, each with a frame of its own."""
    wanted = [name for name in request.args.get("patients", "").split(",") if name]
    shown = [read_patient(name) for name in dict.fromkeys(wanted[:MOST_SIDE_BY_SIDE])]
    charts = [(patient, _shown_study(patient.id)) for patient in shown]
    return render_template("viewer/compare.html", charts=charts, patients=list_patients())


def _shown_study(patient: str) -> StudyView | None:
    """The newest X-ray, or else the newest study."""
    found = list_studies(patient)
    return next((one for one in found if one.kind == "X-ray"), found[0] if found else None)


@blueprint.errorhandler(FhirProblem)
def record_down(_problem: FhirProblem) -> tuple[str, int]:
    """Say that the record did not answer; what it said is for its operators."""
    return render_template("viewer/record_down.html"), 502


@blueprint.app_errorhandler(404)
def not_found(_error: Exception) -> tuple[str, int]:
    """Say that there is nothing under this address."""
    return render_template("viewer/not_found.html"), 404
