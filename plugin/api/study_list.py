"""The list of studies: each with its latest reading and the reports that the record holds of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from plugin.database import Database
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import Study, images_mark, study_json
from plugin.imaging.subjects import of_patient
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, DONE, UNFINISHED, Reading, StudySeen
from plugin.record import Record
from plugin.reporting.fhir_codes import READING_KEY
from smart_launch.errors import FhirForbidden, FhirRejected, SmartError

log = logging.getLogger("wetread.studies")

# "Insert or update" is no standard SQL; these are the databases that Wetread runs on.
INSERTS: dict[str, Callable[[type], sqlite.Insert | postgresql.Insert]]
INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# What the list shows of a report: not the document, which may be megabytes.
REPORT_ELEMENTS = "id,identifier,subject,status,conclusion,issued,imagingStudy"
REPORTS_MISSING = (
    "The chart's reports could not be listed just now: there may be reports that are not shown."
)


@dataclass(frozen=True)
class ListedReports:
    """The record's reports by ImagingStudy id; `problem` says why some may be missing."""

    by_study: Mapping[str, list[dict[str, Any]]]
    problem: str | None = None


def note_seen(database: Database, launch_id: str, study_ids: Iterable[str]) -> None:
    """Note that this launch's own token has read these studies."""
    seen = {"launch_id": launch_id, "seen_at": time.time()}
    # In one order, so that two requests never wait for each other's rows.
    rows = [seen | {"study_id": study_id} for study_id in sorted(set(study_ids))]
    if not rows:
        return
    with database.session() as session:
        # Two lists of one launch may come at once: what the other has noted is no error.
        insert = INSERTS[session.get_bind().dialect.name](StudySeen).values(rows)
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["launch_id", "study_id"],
                set_={"seen_at": insert.excluded.seen_at},
            )
        )


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


def list_reports(record: Record, patient: str) -> ListedReports:
    """List the record's reports; none where the scopes do not allow it.

    They are a help, no condition: whatever the search answers, the studies are shown.
    """
    try:
        return ListedReports(reports_by_study(record, patient))
    except FhirForbidden:
        return ListedReports({})
    except SmartError as error:
        log.warning("reports_not_listed", extra={"code": error.code})
        return ListedReports({}, REPORTS_MISSING)


def reports_by_study(record: Record, patient: str) -> dict[str, list[dict[str, Any]]]:
    """Group the record's reports of this patient by ImagingStudy id.

    Raises
    ------
    SmartError
        The record refused, or gave no usable answer.
    """
    reports: dict[str, list[dict[str, Any]]] = {}
    for resource in of_patient(record, patient, _search_reports(record, patient)):
        for entry in resource.get("imagingStudy", ()):
            study = local_id(entry.get("reference"), "ImagingStudy", record.base_url)
            if study:
                reports.setdefault(study, []).append(_report(resource))
    return reports


def _search_reports(record: Record, patient: str) -> list[dict[str, Any]]:
    params = {"subject": f"Patient/{patient}"}
    refused = False
    if record.offers("elements"):
        try:
            return record.search("DiagnosticReport", params | {"_elements": REPORT_ELEMENTS})
        except (FhirRejected, FhirForbidden):  # of the parameter, perhaps
            refused = True
    found = record.search("DiagnosticReport", params)
    if refused:
        record.note_refused("elements")
    return found


def study_entry(
    study: Study, reading: Reading | None, reports: list[dict[str, Any]]
) -> dict[str, Any]:
    """Give one line of the list."""
    return study_json(study) | {
        "readable": study.why_not is None,
        "why_not": study.why_not_sentence(),
        "reading": _reading(reading) if reading else None,
        "reports": sorted(reports, key=lambda entry: entry["issued"] or "", reverse=True),
    }


def read_at(reading: Reading) -> str | None:
    """When the images were read, as ISO time; None while they have not been."""
    return (reading.result or {}).get("read_at")


def _reading(reading: Reading) -> dict[str, Any]:
    return {"id": reading.id, "state": reading.state, "read_at": read_at(reading)}


def _report(resource: Mapping[str, Any]) -> dict[str, Any]:
    identifiers = resource.get("identifier", ())
    return {
        "reference": f"DiagnosticReport/{resource.get('id')}",
        "status": resource.get("status"),
        "conclusion": resource.get("conclusion"),
        "issued": resource.get("issued"),
        "ours": any(entry.get("system") == READING_KEY for entry in identifiers),
    }
