"""What every way of writing shares: errors, the journal, for whom it is, the Provenance."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from plugin.errors import LaunchExpired, PluginError
from plugin.record import Record
from plugin.reporting.fhir_codes import READING_KEY
from plugin.reporting.ours import has_identifier, is_of_patient, is_unmarked_finding
from plugin.reporting.report import ReportResources, own_id
from smart_launch.errors import (
    FhirConflict,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    SmartError,
)
from smart_launch.fhir_batch import Answered, Question, read_from
from smart_launch.stored import Stored

log = logging.getLogger("wetread.write_back")

BEGUN = "begun"
PROVENANCE = "provenance"
# The Provenance is not part of the transaction, so that it may be owed.
APART = "apart"
Answers = Sequence[Answered]
REFUSED = (FhirForbidden, FhirNotFound, FhirRejected, FhirConflict)


class WriteError(PluginError):
    """The report could not be written, or it cannot be shown that it was."""

    code = "report_not_written"
    title = "The report could not be saved"
    next_step = "Try again; if it happens again, tell your Wetread administrator."
    status = 502


class ForeignReport(WriteError):  # noqa: N818 (named for what lies there)
    """Where this reading would be written lies something that is not ours to change."""

    code = "report_foreign"
    next_step = "Tell your Wetread administrator."
    status = 409


class ReportReplaced(ForeignReport):
    """Between our last look and our write somebody put an entry there, and we wrote over it."""

    code = "report_replaced"
    title = "An entry in the chart was written over"
    next_step = "Tell your Wetread administrator at once."


class Journal(Protocol):
    """What this reading has written already, kept in its row across restarts."""

    def note(self, step: str, key: str) -> None:
        """Remember a step of the reading with this key; stops a worker that was replaced."""

    def has(self, step: str, key: str) -> bool:
        """Tell whether a step was noted, by an earlier attempt too."""

    def alone(self, key: str) -> AbstractContextManager[None]:
        """Be the only job that writes the reading with this key."""


@dataclass(frozen=True)
class Target:
    """For whom and under what key something is written.

    Attributes
    ----------
    status : str
        Of a new report. A report with another status has been worked on.
    provenance : bool
        The user's scopes allow to create a Provenance.
    """

    patient: str
    key: str
    status: str
    provenance: bool = True


@dataclass(frozen=True)
class Outcome:
    """Where the report lies.

    Attributes
    ----------
    existed : bool
        The server had it already and kept its own.
    report : mapping or None
        The report as the server holds it, where that is known from a request that was needed
        anyway; None: it has to be read.
    """

    reference: str
    existed: bool = False
    report: Mapping[str, Any] | None = None


class Writer:
    """What all modes share.

    Before writing, the record is asked the writer's `questions`, together with others; what it says
    comes back to `report_in`, `findings_in` and `write`.
    """

    def __init__(self, record: Record, journal: Journal, target: Target) -> None:
        self.record, self.journal, self.target = record, journal, target

    @property
    def questions(self) -> tuple[Question, ...]:
        """Give what must be known directly before writing."""
        raise NotImplementedError

    def report_in(self, answers: Answers) -> Mapping[str, Any] | None:
        """Give the report under our id: it may have lost the identifier that search goes by.

        None: there is none, or there can be none because the server gives the ids.
        """
        del answers
        return None

    def findings_in(self, answers: Answers) -> list[Stored]:
        """Give this reading's Observations, with the versions that an update must match."""
        raise NotImplementedError

    def lacks_finding(self, report: Mapping[str, Any], answers: Answers) -> bool:
        """Tell whether the report refers to an Observation of ours that is gone or withdrawn.

        False where that cannot be known: a search may not have heard of it yet.
        """
        del report, answers
        return False

    def write(self, resources: ReportResources, answers: Answers) -> Outcome:
        """Write Observation, DiagnosticReport and Provenance.

        Parameters
        ----------
        answers : sequence of Answered
            To `questions`, from directly before.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Note, directly before a write, that one may have happened."""
        self.journal.note(BEGUN, self.target.key)

    def complete(self, report: Mapping[str, Any], resources: ReportResources) -> None:
        """Add what an attempt of this reading that broke off after its report still owes."""
        observation = next((r["reference"] for r in report.get("result", ())), None)
        noted = self.journal.has(PROVENANCE, self.target.key)
        if observation and self.journal.has(BEGUN, self.target.key) and not noted:
            place = f"DiagnosticReport/{report['id']}"
            self.write_provenance(resources.refer_to(place, observation))

    def write_provenance(self, resources: ReportResources) -> bool | None:
        """Create the Provenance; whatever becomes of it, the report is there.

        Returns
        -------
        bool or None
            False if the record refused it; None if it is not known, or none is to be written.
        """
        taken = None
        try:
            if self.target.provenance:
                self.record.create(without_id(resources.provenance))
                taken = True
        except REFUSED as error:
            log.warning("provenance_refused", extra={"code": error.code})
            taken = False
        except (SmartError, LaunchExpired) as error:
            log.warning("provenance_missing", extra={"code": error.code})
            return None
        self.journal.note(PROVENANCE, self.target.key)
        return taken

    def require_ours(self, resource: Mapping[str, Any]) -> None:
        """Refuse to touch an Observation that is not this reading's, or that somebody worked on.

        Some servers do not keep its identifiers: then our code under our id says whose it is.

        Raises
        ------
        ForeignReport
        """
        self.require_patient(resource)
        key = self.target.key
        lost_its_key = resource.get("id") == own_id(key) and is_unmarked_finding(resource)
        if not (has_identifier(resource, READING_KEY, key) or lost_its_key):
            raise ForeignReport("A finding is written only where none but this reading's lies.")
        if resource.get("status") not in ("registered", "preliminary", "cancelled"):
            raise ForeignReport("A finding that somebody has worked on is not changed.")

    def require_patient(self, resource: Mapping[str, Any]) -> None:
        """Refuse an Observation of another subject.

        Raises
        ------
        ForeignReport
        """
        if not is_of_patient(resource, self.target.patient, self.record.base_url):
            raise ForeignReport("A finding is written only where none of another patient lies.")


def existing(answer: Answered) -> Stored | None:
    """Give what a `Read` found at a place of ours; None where nothing lies.

    Raises
    ------
    ForeignReport
        Something that this user may not see, so that it is not ours to overwrite.
    """
    if isinstance(answer, FhirNotFound):
        return None
    try:
        return read_from(answer)
    except FhirForbidden as error:
        raise ForeignReport(
            "A report is written only where no other lies; one that you may not see lies there."
        ) from error


def replaced(place: str) -> ReportReplaced:
    """Raise the alarm, in the log too: the entry written over is in the record's history only."""
    log.error("entry_replaced", extra={"place": place})
    return ReportReplaced(
        "A report is written only where none lies; at the same moment somebody else put an entry "
        f"there ({place}), and Wetread's took its place. The other one is in the record's history."
    )


def without_id(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Give a resource without our id, for a server that gives its own."""
    return {name: value for name, value in resource.items() if name != "id"}
