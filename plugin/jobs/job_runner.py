"""Runs one job from its row: claim, work, save the outcome; retry what may pass, fail the rest."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from plugin.errors import LaunchExpired, Problem
from plugin.jobs.job_rows import JobRows, LeaseLost
from plugin.jobs.last_look import look_again
from plugin.jobs.leases import Leases
from plugin.jobs.problems import GAVE_UP, is_away, may_pass, problem_from, reason_of
from plugin.jobs.reading_outcome import (
    expired,
    failed,
    finished,
    forget_files,
    keep_picture,
    keep_report,
    only_writing_failed,
    read_values,
    refused,
)
from plugin.jobs.row_journal import RowJournal
from plugin.jobs.turns import Turns
from plugin.opening import OpenedStudy, open_study
from plugin.reading import FinishedReading, ReadImages, read_study
from plugin.readings import AWAITING_LAUNCH, FAILED, QUEUED, READY, Opening, Reading
from plugin.steps import OPENING_STEPS, READING_STEPS, Progress
from plugin.workbench import Workshop

log = logging.getLogger("wetread.jobs")

# Pauses before the second and third try: the user is waiting. The others are a restart's length.
PAUSES_S = (1.0, 5.0, 15.0, 45.0)
# An archive that fetches a study from tape says when to come back; a page waits no longer for it.
LONGEST_PAUSE_S = 120.0
# A reading is tried so much more often where the hospital's system is away (docs/decisions/0707).
MORE_TRIES_WHILE_AWAY = 2

Row = TypeVar("Row", Opening, Reading)
Resend = Callable[[str, float], None]


class JobRunner:
    """Runs the jobs that messages name.

    Parameters
    ----------
    shop : Workshop
    leases : Leases
        Running.
    resend_opening, resend_reading : callable
        Send a row's message again after a pause in seconds.
    """

    def __init__(
        self, shop: Workshop, leases: Leases, resend_opening: Resend, resend_reading: Resend
    ) -> None:
        self.shop, self.leases = shop, leases
        self.settings = shop.services.settings
        self.openings = JobRows(shop.services.database, Opening)
        self.readings = JobRows(shop.services.database, Reading)
        self._resend_opening, self._resend_reading = resend_opening, resend_reading
        self._turns = Turns()

    def open_study(self, opening_id: str) -> None:
        """Do the job of an opening."""
        self._run(self.openings, opening_id, self._open, self._resend_opening)

    def read(self, reading_id: str) -> None:
        """Do the job of a reading."""
        self._run(self.readings, reading_id, self._read, self._resend_reading)

    def _run(
        self,
        rows: JobRows[Row],
        row_id: str,
        work: Callable[[Row, str], None],
        resend: Resend,
    ) -> None:
        # Claimed only when its turn has come: who waits must not share another one's death.
        with self._turns.take(alone=rows.runs_alone(row_id)):
            owner = secrets.token_hex(16)
            row = rows.claim(row_id, owner, self.leases.lease_s)
            if row is not None:
                self._work(rows, row, owner, work, resend)

    def _work(
        self,
        rows: JobRows[Row],
        row: Row,
        owner: str,
        work: Callable[[Row, str], None],
        resend: Resend,
    ) -> None:
        row_id = row.id
        job = Job(rows.kind.__tablename__, row_id, row.attempts)
        with self.leases.hold(rows, row_id, owner):
            try:
                if row.broke_off >= self.settings.job_attempts:
                    self._fail(rows, job, owner, GAVE_UP)
                else:
                    work(row, owner)
            except LeaseLost:
                log.warning("lease_lost", extra=asdict(job))
            except Exception as error:
                self._stop(rows, job, owner, error, resend)

    def _open(self, row: Opening, owner: str) -> None:
        launch = self.shop.services.launches.get(row.launch_id)
        progress = Progress(OPENING_STEPS, self._teller(self.openings, row.id, owner))
        bench = self.shop.bench_for(launch, row.study_id)
        opened: OpenedStudy = open_study(launch, row.study_id, bench, progress)
        self.openings.save(
            row.id,
            owner,
            state=READY,
            steps=progress.as_json(),
            study=opened.study,
            images=opened.images,
            open_key=None,
            problem=None,
        )
        timings = progress.timings_ms()
        log.info("study_opened", extra={"job": row.id, "ms": timings})

    def _read(self, row: Reading, owner: str) -> None:
        launch = self.shop.services.launches.get(row.launch_id)
        progress = Progress(READING_STEPS, self._teller(self.readings, row.id, owner))
        bench = self.shop.bench_for(launch, row.study_id)
        journal = RowJournal(self.readings, row, owner, self.leases)
        results = self.shop.cache.results(row.id)
        kept: list[ReadImages] = []

        def keep(read: ReadImages, heat_map: bytes | None) -> None:
            kept.append(read)
            keep_picture(results, heat_map)
            self.readings.save(row.id, owner, **read_values(read, has_map=heat_map is not None))

        try:
            done: FinishedReading = read_study(launch, row.study_id, bench, progress, journal, keep)
            look_again(self.shop, row, journal, written=done.read.key)
            outcome = finished(done, journal, pdf=keep_report(results, done.pdf))
        except LaunchExpired as error:
            if progress.current != "write_report" and not journal.begun_keys():
                raise
            log_unwritten(row.id, error)
            outcome = expired(row, error, journal)
        except Exception as error:
            again = self._tries_again(Reading, row.attempts, error)
            if progress.current != "write_report" or again or not only_writing_failed(error):
                raise
            log_unwritten(row.id, error)
            outcome = refused(error, look_again(self.shop, row, journal), journal)
        self._finish(row, owner, progress, outcome)

    def _finish(
        self, row: Reading, owner: str, progress: Progress, outcome: Mapping[str, Any]
    ) -> None:
        timings = progress.timings_ms()
        self.readings.save(
            row.id,
            owner,
            steps=progress.as_json(),
            timings_ms=timings,
            open_key=None,
            **outcome,
        )
        event = "report_awaits_launch" if outcome["state"] == AWAITING_LAUNCH else "study_read"
        report = outcome.get("report") or {}
        # The audit trail: who (by launch), where, what was written; no patient data.
        trail = {"job": row.id, "ehr": row.ehr_id, "launch": row.launch_id, "ms": timings}
        wrote = {"saved": report.get("saved", False), "report": report.get("report")}
        log.info(event, extra=trail | wrote)

    def _teller(
        self, rows: JobRows[Any], row_id: str, owner: str
    ) -> Callable[[list[dict[str, Any]]], None]:
        return lambda steps: rows.save(row_id, owner, steps=steps)

    def _stop(
        self, rows: JobRows[Row], job: Job, owner: str, error: Exception, resend: Resend
    ) -> None:
        """Decide between another try and failure."""
        problem = problem_from(error)
        level = logging.ERROR if problem.code == "internal" else logging.WARNING
        reason = {"code": problem.code, "reason": reason_of(error)}
        log.log(level, "job_stopped", extra=asdict(job) | reason, exc_info=error)
        if not self._tries_again(rows.kind, job.attempts, error):
            self._fail(rows, job, owner, problem)
            return
        asked_s = min(getattr(error, "retry_after_s", None) or 0.0, LONGEST_PAUSE_S)
        pause = max(PAUSES_S[min(job.attempts, len(PAUSES_S)) - 1], asked_s)
        until = rows.clock() + pause + self.settings.job_sweep_s
        try:
            rows.save(job.job, owner, state=QUEUED, lease_owner=None, lease_until=until)
        except LeaseLost:
            return
        resend(job.job, pause)

    def _tries_again(self, kind: type, attempts: int, error: Exception) -> bool:
        """Whoever waits for pictures wants to know soon; a reading outlasts a server's restart."""
        longer = kind is Reading and is_away(error)
        tries = self.settings.job_attempts + (MORE_TRIES_WHILE_AWAY if longer else 0)
        return may_pass(error) and attempts < tries

    def _fail(self, rows: JobRows[Row], job: Job, owner: str, problem: Problem) -> None:
        values: dict[str, Any] = {"state": FAILED, "problem": asdict(problem), "open_key": None}
        row = rows.get(job.job)
        if row is not None:
            values["steps"] = [_settled(step) for step in row.steps]
        try:
            if isinstance(row, Reading):
                values |= self._failed_reading(row, owner, problem)
            rows.save(job.job, owner, **values)
        except LeaseLost:
            log.warning("lease_lost", extra=asdict(job))

    def _failed_reading(self, row: Reading, owner: str, problem: Problem) -> dict[str, Any]:
        """Whose images they are is in doubt, or nothing was read: no number is shown."""
        forget_files(self.shop.cache.results(row.id))
        journal = RowJournal(self.readings, row, owner, self.leases)
        return failed(problem, look_again(self.shop, row, journal), journal)


def log_unwritten(reading_id: str, error: Exception) -> None:
    """Note why a reading's report was not written."""
    reason = {"job": reading_id, "code": problem_from(error).code, "reason": reason_of(error)}
    log.warning("report_not_written", extra=reason, exc_info=error)


@dataclass(frozen=True)
class Job:
    """What log lines say about a job."""

    kind: str
    job: str
    attempts: int


def _settled(step: dict[str, Any]) -> dict[str, Any]:
    return step | {"state": "failed"} if step["state"] == "running" else step
