"""One look at everything that writing a report depends on, directly before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugin.imaging.imaging_study import Study
from plugin.imaging.patient_check import confirming
from plugin.record import Record
from plugin.reporting.write_back import Written, reports_question
from plugin.reporting.writer import Answers, Writer
from smart_launch.fhir_batch import Answered, Read, matches_from


@dataclass(frozen=True)
class BeforeWriting:
    """What the record says now.

    Attributes
    ----------
    study, patient : Answered
        Read anew, not searched: a search may come from an index that lags behind.
    reports : Answered or None
        Wetread's reports of the study; None where nothing will be written.
    answers : sequence of Answered
        To the writer's questions.
    """

    study: Answered
    patient: Answered
    reports: Answered | None
    answers: Answers

    @property
    def earlier(self) -> tuple[Mapping[str, Any], ...]:
        """Wetread's reports of the study.

        Raises
        ------
        FhirForbidden, FhirNotFound
            The record does not let them be searched.
        """
        return () if self.reports is None else matches_from(self.reports)


def look_before_writing(
    record: Record, patient: str, study: Study, writer: Writer | Written
) -> BeforeWriting:
    """Ask for study, patient, earlier reports and what lies where the report goes.

    Parameters
    ----------
    writer : Writer or Written
        The latter says why nothing will be written.

    Raises
    ------
    IdentityError
        It answered with other entries.
    FhirError
        The record did not answer.
    """
    identity = Read("ImagingStudy", study.id), Read("Patient", patient)
    with confirming():
        if isinstance(writer, Written):
            now, person = record.ask_all(*identity, known=identity)
            return BeforeWriting(now, person, None, ())
        questions = reports_question(patient, study.uid or ""), *identity, *writer.questions
        found, now, person, *answers = record.ask_all(*questions, known=identity)
        return BeforeWriting(now, person, found, answers)
