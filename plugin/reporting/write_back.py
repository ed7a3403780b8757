"""Write a reading's resources into the record, once, and never over anybody else's work.

The rule: no report whose status is not the one that we wrote is ever changed, nor another
subject's.
So the record is searched first (`subject` + `identifier`), then written in the EHR's own mode
(`write_modes.py`), then read back; only what was read back is said to be saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plugin.imaging.identity import local_id
from plugin.record import Record
from plugin.reporting.fhir_codes import READING_KEY, STUDY_KEY
from plugin.reporting.report import ReportResources
from plugin.reporting.write_modes import WRITERS
from plugin.reporting.writer import ForeignReport, Journal, Target, WriteError, Writer
from smart_launch.errors import FhirConflict, FhirForbidden, FhirNotFound
from smart_launch.scopes import missing_scopes

NEEDED_TO_WRITE = ("patient/DiagnosticReport.crus", "patient/Observation.crus")
WRITTEN = "The preliminary report is in the record."
KEPT = "The record already held this reading's preliminary report; it was left as it is."
TOUCHED = "A clinician has already worked on this reading's report; it was left as it is."
NOT_WRITTEN = "This reading is only shown here: this record takes no reports from Wetread."
NOT_ALLOWED = "The report was not saved: your sign-in does not allow Wetread to write it."

WriteMode = Literal["transaction-put", "put", "create", "none"]


@dataclass(frozen=True)
class Written:
    """What the record holds of this reading now.

    Attributes
    ----------
    report, observation : str or None
        References.
    status : str or None
        Of the report in the record.
    saved : bool
        True only after the report of this reading was read back as we wrote it.
    sentence : str
        For the user.
    unknown : bool
        Writing broke off, and what the record holds could not be found out for certain.
    """

    report: str | None
    observation: str | None
    status: str | None
    saved: bool
    sentence: str
    unknown: bool = False


@dataclass(frozen=True)
class EarlierReports:
    """Wetread's reports of the study in the record.

    Attributes
    ----------
    same : mapping or None
        The one of this very reading.
    others : tuple of str
        References to those over other images or by other models, newest first.
    """

    same: Mapping[str, Any] | None
    others: tuple[str, ...]


def not_written(mode: WriteMode, granted: tuple[str, ...]) -> Written | None:
    """Say why nothing will be written, before anything is tried; None if it will be."""
    if mode == "none":
        return Written(None, None, None, saved=False, sentence=NOT_WRITTEN)
    if missing_scopes(NEEDED_TO_WRITE, granted):
        return Written(None, None, None, saved=False, sentence=NOT_ALLOWED)
    return None


def find_earlier(record: Record, patient: str, study_uid: str, key: str) -> EarlierReports:
    """Search the record for Wetread's reports of this study and this patient.

    Raises
    ------
    SmartError
        The record did not answer.
    """
    query = {"subject": f"Patient/{patient}", "identifier": f"{STUDY_KEY}|urn:oid:{study_uid}"}
    found = [r for r in record.search("DiagnosticReport", query) if _is_of(r, patient, record)]
    same = [r for r in found if has_identifier(r, READING_KEY, key)]
    others = [
        r
        for r in found
        if r not in same and r.get("status") not in ("entered-in-error", "cancelled")
    ]
    newest = sorted(others, key=lambda r: str(r.get("issued", "")), reverse=True)
    references = tuple(f"DiagnosticReport/{r['id']}" for r in newest)
    # Where a race made two, everyone must choose the same one.
    oldest = sorted(same, key=lambda r: (str(r.get("issued", "")), str(r.get("id"))))
    return EarlierReports(oldest[0] if oldest else None, references)


def write_back(
    record: Record,
    mode: WriteMode,
    target: Target,
    resources: ReportResources,
    same: Mapping[str, Any] | None,
    journal: Journal,
) -> Written:
    """Write the resources unless the record holds this reading already.

    Parameters
    ----------
    same : mapping or None
        `EarlierReports.same`.

    Raises
    ------
    ForeignReport
        Something that is not ours lies where this reading would be written.
    WriteError
        The report could not be read back as written.
    SmartError, LaunchExpired
        The record refused or did not answer. What was written until then a retry completes, and
        after the last one `settling.py` withdraws.
    """
    writer = WRITERS[mode](record, journal, target)
    if same is None:
        try:
            outcome = writer.write(resources)
        except FhirConflict:
            # Somebody was faster. Look again; if it is not this reading, the refusal stands.
            same = find_report(writer)
            if same is None:
                raise
        else:
            if not outcome.existed:
                return _read_back(record, outcome.reference, target)
            same = record.read(*outcome.reference.split("/", 1))
    written = keep(record, same, target)
    if written.saved:
        writer.complete(same, resources)
    return written


def find_report(writer: Writer) -> Mapping[str, Any] | None:
    """Look for the report of the writer's reading, by its key and under our id."""
    record, target = writer.record, writer.target
    query = {
        "subject": f"Patient/{target.patient}",
        "identifier": f"{READING_KEY}|{target.key}",
    }
    found = record.search("DiagnosticReport", query)
    by_key = next((r for r in found if has_identifier(r, READING_KEY, target.key)), None)
    return by_key or writer.hidden_report()


def has_identifier(resource: Mapping[str, Any], system: str, value: str) -> bool:
    """Tell whether a resource carries an identifier; some servers search more loosely."""
    return any(
        entry.get("system") == system and entry.get("value") == value
        for entry in resource.get("identifier", ())
    )


def _is_of(resource: Mapping[str, Any], patient: str, record: Record) -> bool:
    subject = (resource.get("subject") or {}).get("reference")
    return local_id(subject, "Patient", record.base_url) == patient


def keep(record: Record, report: Mapping[str, Any], target: Target) -> Written:
    """Say what lies there already; it is not changed."""
    if not _is_of(report, target.patient, record):
        raise ForeignReport(
            "A report is written only where none of another patient lies; one lies there."
        )
    reference = f"DiagnosticReport/{report['id']}"
    status = str(report.get("status"))
    observation = _first_result(report)
    untouched = status == target.status and has_identifier(report, READING_KEY, target.key)
    sentence = KEPT if untouched else TOUCHED
    return Written(reference, observation, status, saved=untouched, sentence=sentence)


def _read_back(record: Record, reference: str, target: Target) -> Written:
    try:
        report = record.read(*reference.split("/", 1))
    except (FhirNotFound, FhirForbidden) as error:
        raise WriteError(
            "A report counts as saved when it can be read back; this one cannot."
        ) from error
    complete = (
        _is_of(report, target.patient, record)
        and has_identifier(report, READING_KEY, target.key)
        and report.get("status") == target.status
    )
    if not complete:
        raise WriteError("A report counts as saved when it reads back as written; it does not.")
    observation = _first_result(report)
    return Written(reference, observation, target.status, saved=True, sentence=WRITTEN)


def _first_result(report: Mapping[str, Any]) -> str | None:
    return next((r["reference"] for r in report.get("result", ()) if r.get("reference")), None)
