"""What a reading's row says in the end: finished, waiting for a launch, or read but not written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from plugin.errors import LaunchExpired
from plugin.imaging.cache import make_private, write_private
from plugin.imaging.imaging_study import images_mark
from plugin.jobs.job_rows import JobRows
from plugin.jobs.problems import problem_from
from plugin.jobs.result_files import HEAT_MAP, REPORT_PDF
from plugin.reading import FinishedReading, ReadImages
from plugin.readings import AWAITING_LAUNCH, DONE, Reading
from plugin.reporting.write_modes import WriteError
from plugin.reporting.writer_lock import WriterBusy
from smart_launch.errors import SmartError

# The record said no or nothing at all: the result is shown, and that it was not saved.
WRITING_FAILED = (SmartError, WriteError, WriterBusy)


class RowJournal:
    """Keeps in the reading's row what has been written, so that a restarted job knows it."""

    def __init__(self, rows: JobRows[Reading], row: Reading, owner: str) -> None:
        self._rows, self._id, self._owner = rows, row.id, owner
        self.steps: list[str] = list((row.report or {}).get("journal", []))

    def note(self, step: str) -> None:
        """Remember a step.

        Raises
        ------
        LeaseLost
            Another worker has taken over: nothing more must be written.
        """
        if step not in self.steps:
            self.steps.append(step)
        self._rows.save(self._id, self._owner, report={"journal": self.steps})

    def has(self, step: str) -> bool:
        """Tell whether a step was noted."""
        return step in self.steps


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


def keep_report(folder: Path, pdf: bytes) -> None:
    """Keep the report's PDF for the page."""
    make_private(folder)
    write_private(folder / REPORT_PDF, pdf)


def finished(done: FinishedReading, journal: RowJournal) -> dict[str, Any]:
    """Give the columns of a reading that came to its end."""
    report = asdict(done.written) | {"pdf": True, "journal": journal.steps}
    return {"state": DONE, "report": report, "problem": None}


def expired(row: Reading, error: LaunchExpired, journal: RowJournal) -> dict[str, Any]:
    """The sign-in ran out before writing: wait for the same user, if that user has a name.

    Never written with other credentials instead.
    """
    if row.user_key is None:
        sentence = "The report was not saved: your sign-in ran out before it could be written."
        return _unsaved(sentence, journal)
    problem = asdict(problem_from(error)) | {
        "title": "The report is not in the chart yet",
        "text": "Your sign-in ran out before the report could be written. The result is kept.",
        "next_step": "Open Wetread again from this patient's chart: everything is checked again "
        "and the report is written then.",
    }
    return {
        "state": AWAITING_LAUNCH,
        "report": {"journal": journal.steps},
        "problem": problem,
    }


def only_writing_failed(error: Exception) -> bool:
    """Tell whether the result may be shown although its report could not be written.

    Not when the identity check before writing failed: then whose images they are is in doubt.
    """
    return isinstance(error, WRITING_FAILED)


def refused(error: Exception, journal: RowJournal) -> dict[str, Any]:
    """The record took no report: show the result and say that it was not saved, and why."""
    problem = problem_from(error)
    return _unsaved(f"The report was not saved. {problem.text} {problem.next_step}", journal)


def _unsaved(sentence: str, journal: RowJournal) -> dict[str, Any]:
    report = {
        "report": None,
        "observation": None,
        "status": None,
        "saved": False,
        "sentence": sentence,
        "pdf": False,
        "journal": journal.steps,
    }
    return {"state": DONE, "report": report, "problem": None}
