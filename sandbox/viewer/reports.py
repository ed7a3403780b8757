"""A chart's reports while they come in, and their PDF."""

from __future__ import annotations

import base64
import binascii

from flask import Response, abort, render_template, request

from sandbox.dicomweb.record import subject_id
from sandbox.viewer.chart import list_reports, list_studies, read_or_404
from sandbox.viewer.door import blueprint
from sandbox.viewer.report_view import pdf_of


@blueprint.get("/viewer/patients/<patient>/reports")
def report_list(patient: str) -> str:
    """The list of reports alone, asked again and again by ``reports.js``."""
    study = request.args.get("study")
    return render_template(
        "viewer/report_list.html",
        reports=list_reports(patient, study),
        studies={one.id: one for one in list_studies(patient)},
        patient_id=patient,
        compact=study is not None,
    )


@blueprint.get("/viewer/patients/<patient>/reports/<report>.pdf")
def report_pdf(patient: str, report: str) -> Response:
    """A report's PDF, as the one who wrote it attached it."""
    found = read_or_404("DiagnosticReport", report)
    attachment = pdf_of(found)
    if subject_id(found) != patient or attachment is None:
        abort(404)
    try:
        data = base64.b64decode(str(attachment["data"]), validate=True)
    except (binascii.Error, ValueError):
        abort(404)
    answer = Response(data, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = 'inline; filename="report.pdf"'
    # The browser's own PDF page needs styles and an object; nothing else may be loaded.
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    return answer
