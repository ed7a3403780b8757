"""The list of studies: each with its latest reading and the reports that the record holds of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from plugin.database import Database
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import Study, images_mark
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, DONE, UNFINISHED, Reading, StudySeen
from plugin.record import Record
from plugin.reporting.fhir_codes import READING_KEY
from smart_launch.errors import FhirForbidden


def note_seen(database: Database, launch_id: str, study_ids: Iterable[str]) -> None:
    """Note that this launch's own token has read these studies."""
    now = time.time()
    with database.session() as session:
        for study_id in study_ids:
            session.merge(StudySeen(launch_id=launch_id, study_id=study_id, seen_at=now))


def has_seen(database: Database, launch_id: str, study_id: str) -> bool:
    """Tell whether this launch's own token has read the study."""
    with database.session() as session:
        return session.get(StudySeen, (launch_id, study_id)) is not None


def latest_readings(
    database: Database, launch: OpenLaunch, studies: Sequence[Study]
) -> dict[str, Reading]:
    """Find the latest reading of each study, of the same EHR and patient, over the same images.

    Failed ones are left out: the page offers to try again. So are those that wait for another
    user's launch, which only that user can finish.
    """
    marks = {study.id: images_mark(study) for study in studies}
    query = select(Reading).where(
        Reading.issuer == launch.ehr.issuer,
        Reading.patient == launch.context.require_patient(),
        Reading.study_id.in_(list(marks)),
        Reading.state.in_((*UNFINISHED, DONE, AWAITING_LAUNCH)),
    )
    with database.session() as session:
        rows = session.scalars(query.order_by(Reading.created_at)).all()
    return {
        row.study_id: row
        for row in rows
        if row.images_mark in (None, marks[row.study_id])
        and (row.state != AWAITING_LAUNCH or row.user_key == launch.user_key)
    }


def reports_by_study(record: Record, patient: str) -> dict[str, list[dict[str, Any]]]:
    """List the record's reports by ImagingStudy id; none where the scopes do not allow it."""
    try:
        found = record.search("DiagnosticReport", {"subject": f"Patient/{patient}"})
    except FhirForbidden:
        return {}
    reports: dict[str, list[dict[str, Any]]] = {}
    for resource in found:
        for entry in resource.get("imagingStudy", ()):
            study = local_id(entry.get("reference"), "ImagingStudy", record.base_url)
            if study:
                reports.setdefault(study, []).append(_report(resource))
    return reports


def study_entry(
    study: Study, reading: Reading | None, reports: list[dict[str, Any]]
) -> dict[str, Any]:
    """Give one line of the list."""
    return {
        "id": study.id,
        "uid": study.uid,
        "title": study.title,
        "started": study.started,
        "modalities": list(study.modalities),
        "body_part": study.body_part,
        "accession": study.accession,
        "series": len(study.series),
        "instances": study.images,
        "readable": study.why_not is None,
        "why_not": study.why_not_sentence(),
        "reading": {"id": reading.id, "state": reading.state} if reading else None,
        "reports": sorted(reports, key=lambda entry: entry["issued"] or "", reverse=True),
    }


def _report(resource: Mapping[str, Any]) -> dict[str, Any]:
    identifiers = resource.get("identifier", ())
    return {
        "reference": f"DiagnosticReport/{resource.get('id')}",
        "status": resource.get("status"),
        "conclusion": resource.get("conclusion"),
        "issued": resource.get("issued"),
        "ours": any(entry.get("system") == READING_KEY for entry in identifiers),
    }
