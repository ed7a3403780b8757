"""What a reading's row says in the end: finished, waiting for a launch, or read but not written."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from plugin.errors import LaunchExpired, Problem
from plugin.imaging.cache import make_private, write_private
from plugin.imaging.imaging_study import images_mark
from plugin.jobs.problems import problem_from
from plugin.jobs.result_files import HEAT_MAP, REPORT_PDF
from plugin.jobs.row_journal import RowJournal
from plugin.reading import FinishedReading, ReadImages
from plugin.readings import AWAITING_LAUNCH, DONE, Reading
from plugin.reporting.settling import UNKNOWN
from plugin.reporting.write_back import Written
from plugin.reporting.writer import REFUSED, ForeignReport, WriteError
from plugin.reporting.writer_lock import WriterBusy
from smart_launch.errors import SmartError

log = logging.getLogger("wetread.jobs")

# The record said no or nothing at all: the result is shown, and what is known about the report.
WRITING_FAILED = (SmartError, WriteError, WriterBusy)
# An answer that says that the request was not carried out.
DEFINITE = (*REFUSED, ForeignReport)
NOTHING = Written(
    None, None, None, saved=False, sentence="Nothing was written to the patient's chart."
)
READING_EXPIRED = {
    "title": "The report is not in the chart yet",
    "text": "Your sign-in ran out before the report could be written. The result is kept.",
    "next_step": "Open Wetread again from this patient's chart: everything is checked again "
    "and the report is written then.",
}
WRITING_EXPIRED = READING_EXPIRED | {
    "title": "It is not known whether the report is in the chart",
    "text": "Your sign-in ran out while the report was being written. The result is kept.",
    "next_step": "Open Wetread again from this patient's chart: it looks for the report then, "
    "and writes it if it is not there.",
}


def read_values(read: ReadImages, *, has_map: bool) -> dict[str, Any]:
    """Give the columns that are known once the images are read."""
    return {
        "key": read.key,
        "study_uid": read.study.uid,
        "images_mark": images_mark(read.study),
        "result": read.result | {"heat_map": has_map},
    }


def keep_picture(folder: Path, heat_map: bytes | None) -> None:
    """Keep the heat map for the page."""
    make_private(folder)
    if heat_map is not None:
        write_private(folder / HEAT_MAP, heat_map)


def keep_report(folder: Path, pdf: bytes) -> bool:
    """Keep the report's PDF for the page; a full disk does not change what is in the chart."""
    try:
        make_private(folder)
        write_private(folder / REPORT_PDF, pdf)
    except OSError as error:
        log.error("pdf_not_kept", exc_info=error)
        return False
    return True


def forget_files(folder: Path) -> None:
    """Delete what a reading left whose images may be somebody else's."""
    shutil.rmtree(folder, ignore_errors=True)


def finished(done: FinishedReading, journal: RowJournal, *, pdf: bool) -> dict[str, Any]:
    """Give the columns of a reading that came to its end."""
    return {"state": DONE, "report": _report(done.written, journal, pdf=pdf), "problem": None}


def expired(row: Reading, error: LaunchExpired, journal: RowJournal) -> dict[str, Any]:
    """The sign-in ran out before writing: wait for the same user, if that user has a name.

    Never written with other credentials instead.
    """
    begun = bool(journal.begun_keys())
    if row.user_key is None:
        sentence = "Your sign-in ran out before the report could be written. It was not saved."
        if begun:
            sentence = f"Your sign-in ran out while the report was written. {UNKNOWN.sentence}"
        written = replace(UNKNOWN, sentence=sentence, unknown=begun)
        return {"state": DONE, "report": _report(written, journal), "problem": None}
    words = WRITING_EXPIRED if begun else READING_EXPIRED
    return {
        "state": AWAITING_LAUNCH,
        "report": {"journal": journal.steps},
        "problem": asdict(problem_from(error)) | words,
    }


def only_writing_failed(error: Exception) -> bool:
    """Tell whether the result may be shown although its report could not be written.

    Not when the identity check before writing failed: then whose images they are is in doubt.
    """
    return isinstance(error, WRITING_FAILED)


def refused(error: Exception, settled: Written | None, journal: RowJournal) -> dict[str, Any]:
    """The record took no report: show the result, and what is known about the report.

    Parameters
    ----------
    settled : Written or None
        What the record holds now; None if nothing was ever written.
    """
    problem = problem_from(error)
    written = settled or NOTHING
    if written.report and isinstance(error, ForeignReport):
        sentence = f"{problem.text} {written.sentence} {problem.next_step}"
    elif written.report:
        sentence = written.sentence
    elif settled is None or (isinstance(error, DEFINITE) and not journal.resumed):
        left = written.sentence if written != NOTHING else ""
        parts = ("The report was not saved.", problem.text, left, problem.next_step)
        sentence = " ".join(part for part in parts if part)
    else:
        # A request whose answer was lost may still take effect.
        left = "" if written.unknown else f" {written.sentence}"
        sentence = f"{UNKNOWN.sentence} {problem.text}{left}"
        written = replace(written, unknown=True)
    report = _report(replace(written, sentence=sentence), journal)
    return {"state": DONE, "report": report, "problem": None}


def failed(problem: Problem, settled: Written | None, journal: RowJournal) -> dict[str, Any]:
    """Give the columns of a reading that failed: no number, and what the record holds of it."""
    written = settled or NOTHING
    text = f"{problem.text} {written.sentence}"
    return {
        "result": None,
        "problem": asdict(problem) | {"text": text},
        "report": _report(written, journal) if settled else {"journal": journal.steps},
    }


def _report(written: Written, journal: RowJournal, *, pdf: bool = False) -> dict[str, Any]:
    return asdict(written) | {"pdf": pdf, "journal": journal.steps}
