"""Write a reading's resources into the record, once, and never over anybody else's work.

The rule: no report whose status is not the one that we wrote is ever changed, nor another
subject's.
So the record is searched first (`subject` + `identifier`), then written in the EHR's own mode
(`write_modes.py`), then read back; only what was read back is said to be saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plugin.reporting.fhir_codes import READING_KEY, STUDY_KEY
from plugin.reporting.ours import first_result, has_identifier, is_of_patient
from plugin.reporting.report import ReportResources
from plugin.reporting.writer import (
    Answers,
    ForeignReport,
    Outcome,
    WriteError,
    Writer,
    existing,
)
from smart_launch.errors import FhirConflict, FhirForbidden, FhirNotFound
from smart_launch.fhir_batch import Read, Search, matches_from
from smart_launch.scopes import missing_scopes

NEEDED_TO_WRITE = ("patient/DiagnosticReport.crus", "patient/Observation.crus")
WRITTEN = "The preliminary report is in the record."
KEPT = "The record already held this reading's preliminary report; it was left as it is."
INCOMPLETE = (
    "Only a part was saved: the preliminary report is in the record, the finding that it refers to "
    "is missing or was withdrawn. Tell your Wetread administrator."
)
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


def reports_question(patient: str, study_uid: str) -> Search:
    """Ask for Wetread's reports of this study and this patient."""
    query = (
        ("subject", f"Patient/{patient}"),
        ("identifier", f"{STUDY_KEY}|urn:oid:{study_uid}"),
    )
    return Search("DiagnosticReport", query)


def earlier_reports(
    reports: Sequence[Mapping[str, Any]], base_url: str, patient: str, study_uid: str, key: str
) -> EarlierReports:
    """Tell Wetread's reports apart; pure.

    Parameters
    ----------
    reports : sequence of mapping
        What `reports_question` found, and whatever a server sends that ignores a parameter.
    """
    found = [r for r in reports if is_of_patient(r, patient, base_url)]
    same = [r for r in found if has_identifier(r, READING_KEY, key)]
    others = [
        r
        for r in found
        if has_identifier(r, STUDY_KEY, f"urn:oid:{study_uid}")
        and r not in same
        and r.get("status") not in ("entered-in-error", "cancelled")
    ]
    newest = sorted(others, key=lambda r: str(r.get("issued", "")), reverse=True)
    references = tuple(f"DiagnosticReport/{r['id']}" for r in newest)
    # Where a race made two, everyone must choose the same one.
    oldest = sorted(same, key=lambda r: (str(r.get("issued", "")), str(r.get("id"))))
    return EarlierReports(oldest[0] if oldest else None, references)


def write_back(
    writer: Writer,
    resources: ReportResources,
    same: Mapping[str, Any] | None,
    answers: Answers,
) -> Written:
    """Write the resources unless the record holds this reading already.

    Parameters
    ----------
    same : mapping or None
        `EarlierReports.same`; a search gave it, so it is looked at once more.
    answers : sequence of Answered
        To the writer's questions, from directly before.

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
    found = _as_it_is_now(writer, same, answers) if same else None
    # A search need not list what lies under our id.
    lying = found or writer.report_in(answers)
    if lying is None:
        try:
            outcome = writer.write(resources, answers)
        except FhirConflict:
            # Somebody was faster. Look again; if it is not this reading, the refusal stands.
            lying, answers = look_for_report(writer)
            if lying is None:
                raise
        else:
            if not outcome.existed:
                return _read_back(writer, outcome)
            lying, answers = outcome.report or _read(writer, outcome), ()
    written = keep(writer, lying, answers)
    if written.saved:
        writer.complete(lying, resources)
    return written


def look_for_report(writer: Writer) -> tuple[Mapping[str, Any] | None, Answers]:
    """Look for the report of the writer's reading, by its key and under our id.

    Returns
    -------
    tuple
        The report, and what the record says to the writer's questions.
    """
    target = writer.target
    query = (
        ("subject", f"Patient/{target.patient}"),
        ("identifier", f"{READING_KEY}|{target.key}"),
    )
    search = Search("DiagnosticReport", query)
    reports, *answers = writer.record.ask_all(search, *writer.questions)
    found = matches_from(reports)
    by_key = next((r for r in found if has_identifier(r, READING_KEY, target.key)), None)
    lying = _as_it_is_now(writer, by_key, answers) if by_key else None
    return lying or writer.report_in(answers), answers


def _as_it_is_now(
    writer: Writer, found: Mapping[str, Any], answers: Answers
) -> Mapping[str, Any] | None:
    """Read a report that a search found: its index may lag behind. None: it is gone."""
    place = Read("DiagnosticReport", str(found["id"]))
    known = dict(zip(writer.questions, answers, strict=True))
    answer = known[place] if place in known else writer.record.ask_all(place)[0]
    stored = existing(answer)
    return stored.resource if stored else None


def keep(writer: Writer, report: Mapping[str, Any], answers: Answers) -> Written:
    """Say what lies there already; it is not changed.

    Parameters
    ----------
    answers : sequence of Answered
        To the writer's questions; empty if something was written since.

    Raises
    ------
    ForeignReport
        It is another patient's.
    """
    target = writer.target
    if not is_of_patient(report, target.patient, writer.record.base_url):
        raise ForeignReport(
            "A report is written only where none of another patient lies; one lies there."
        )
    reference = f"DiagnosticReport/{report['id']}"
    status = str(report.get("status"))
    observation = first_result(report)
    untouched = status == target.status and has_identifier(report, READING_KEY, target.key)
    if untouched and answers and writer.lacks_finding(report, answers):
        return Written(reference, None, status, saved=False, sentence=INCOMPLETE)
    sentence = KEPT if untouched else TOUCHED
    return Written(reference, observation, status, saved=untouched, sentence=sentence)


def _read(writer: Writer, outcome: Outcome) -> Mapping[str, Any]:
    return writer.record.read(*outcome.reference.split("/", 1))


def _read_back(writer: Writer, outcome: Outcome) -> Written:
    target, reference = writer.target, outcome.reference
    try:
        report = outcome.report or _read(writer, outcome)
    except (FhirNotFound, FhirForbidden) as error:
        raise WriteError(
            "A report counts as saved when it can be read back; this one cannot."
        ) from error
    complete = (
        is_of_patient(report, target.patient, writer.record.base_url)
        and has_identifier(report, READING_KEY, target.key)
        and report.get("status") == target.status
    )
    if not complete:
        raise WriteError("A report counts as saved when it reads back as written; it does not.")
    observation = first_result(report)
    return Written(reference, observation, target.status, saved=True, sentence=WRITTEN)
