"""How each kind of FHIR server is written to: `transaction-put`, `put`, `create`.

Always the Observation first and the DiagnosticReport last: a report never points to nothing, and an
attempt that broke off leaves only an Observation, which the next attempt uses or `settling.py`
withdraws. Directly before each write `begin` asks the journal whether this worker may still write.
The Provenance is created (its scope allows no more), so it needs an id from the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.imaging.identity import local_id
from plugin.reporting.fhir_codes import READING_KEY
from plugin.reporting.only_new import NO_VERSION, blame, conditions_for
from plugin.reporting.ours import first_result, has_identifier, is_of_patient
from plugin.reporting.report import ReportResources, own_id
from plugin.reporting.write_bundle import WriteBundle, was_carried_out
from plugin.reporting.writer import (
    APART,
    Answers,
    ForeignReport,
    Outcome,
    WriteError,
    Writer,
    existing,
    replaced,
    without_id,
)
from plugin.reporting.written_over import entries_that_met_one, was_written_over
from smart_launch.errors import FhirConflict, FhirNotFound, FhirRejected
from smart_launch.fhir_batch import Answered, Question, Read, Search, matches_from
from smart_launch.stored import Stored


class PutWriter(Writer):
    """One PUT after the other under our own ids, for servers without transactions."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Ask for what lies under our id; for the report last, as it matters most."""
        return self._under_our_id("Observation"), self._under_our_id("DiagnosticReport")

    def report_in(self, answers: Answers) -> Mapping[str, Any] | None:
        """Give the report under our id."""
        found = existing(answers[1])
        return found.resource if found else None

    def findings_in(self, answers: Answers) -> list[Stored]:
        """Give the Observation under our id."""
        found = existing(answers[0])
        return [found] if found else []

    def lacks_finding(self, report: Mapping[str, Any], answers: Answers) -> bool:
        """Tell whether the report names the Observation under our id, and that does not count."""
        named = local_id(first_result(report), "Observation", self.record.base_url)
        if named != own_id(self.target.key):
            return False
        finding = answers[0]
        if not isinstance(finding, Stored):
            # One that this user may not see can be there.
            return isinstance(finding, FhirNotFound)
        withdrawn = finding.resource.get("status") in ("cancelled", "entered-in-error")
        of_patient = is_of_patient(finding.resource, self.target.patient, self.record.base_url)
        return withdrawn or not of_patient

    def write(self, resources: ReportResources, answers: Answers) -> Outcome:
        """PUT Observation and report, create the Provenance; look before each PUT."""
        place = f"DiagnosticReport/{resources.report['id']}"
        self._put(resources.observation, self.usable_finding(answers), answers[0])
        (found,) = self.record.ask_all(self._under_our_id("DiagnosticReport"))
        now_lying = existing(found)
        if now_lying is not None:
            return Outcome(place, existed=True, report=now_lying.resource)
        self._put(resources.report, None, found)
        self.write_provenance(resources)
        return Outcome(place)

    def usable_finding(self, answers: Answers) -> Stored | None:
        """Give the Observation that a broken-off attempt left; None without one.

        Raises
        ------
        ForeignReport
        """
        for found in self.findings_in(answers):
            self.require_ours(found.resource)
            return found
        return None

    def _under_our_id(self, resource_type: str) -> Read:
        return Read(resource_type, own_id(self.target.key))

    def _put(self, resource: dict[str, Any], earlier: Stored | None, looked: Answered) -> None:
        if earlier is not None:
            self.begin()
            self.record.update(resource, if_match=earlier.version)
            return
        stored = self._put_new(resource, looked)
        if not stored.created and was_written_over(self.record, stored.location, stored.version):
            raise replaced(stored.location)

    def _put_new(self, resource: dict[str, Any], looked: Answered) -> Stored:
        """Put an entry where none lies; look again before a condition is left out."""
        first = taken = conditions_for(self.record, [looked])
        while True:
            self.begin()
            try:
                match = NO_VERSION if taken.version_zero else None
                stored = self.record.update(resource, if_match=match, only_new=taken.none_match)
            except (FhirRejected, FhirConflict, FhirNotFound) as error:
                simpler = taken.after(error)
                if simpler is None:
                    raise
            else:
                blame(self.record, first, taken)
                return stored
            require_absent(*self.record.ask_all(self._under_our_id(resource["resourceType"])))
            taken = simpler


class TransactionWriter(PutWriter):
    """All in one transaction: everything or nothing (HAPI)."""

    def write(self, resources: ReportResources, answers: Answers) -> Outcome:
        """PUT Observation and report, create the Provenance and read the report, in one Bundle."""
        earlier = self.usable_finding(answers)
        first = WriteBundle(
            base_url=self.record.base_url,
            resources=resources,
            earlier=earlier,
            provenance=self.target.provenance and not self._provenance_goes_apart,
            only_new=conditions_for(self.record, answers),
            read_back=self.record.offers("read_in_transaction"),
        )
        taken, answer = self._send(first)
        if not was_carried_out(answer):
            self._require_both(resources)
        self._require_new(entries_that_met_one(answer), resources, earlier)
        refused = None if taken.provenance else self.write_provenance(resources)
        self._blame(first, taken, provenance_refused=refused is False)
        return Outcome(taken.place, report=taken.report_in(answer))

    @property
    def _provenance_goes_apart(self) -> bool:
        # What was begun in this way is ended in it: else a retry might create a second one.
        begun = self.journal.has(APART, self.target.key)
        return begun or not self.record.offers("provenance_in_transaction")

    def _send(self, bundle: WriteBundle) -> tuple[WriteBundle, Mapping[str, Any]]:
        """Send it; look again before something is left out. Gives what the record took."""
        while True:
            if self.target.provenance and not bundle.provenance:
                self.journal.note(APART, self.target.key)
            self.begin()
            try:
                return bundle, self.record.transaction(bundle.as_json())
            except (FhirRejected, FhirConflict, FhirNotFound) as error:
                simpler = bundle.after(error)
                if simpler is None:
                    raise
            questions = self.questions if bundle.earlier is None else self.questions[1:]
            require_absent(*self.record.ask_all(*questions))
            bundle = simpler

    def _blame(self, first: WriteBundle, taken: WriteBundle, *, provenance_refused: bool) -> None:
        """Remember one thing that may have been the reason of a refusal."""
        if first.provenance and provenance_refused:
            self.record.note_refused("provenance_in_transaction")
        elif first.read_back and not taken.read_back:
            self.record.note_refused("read_in_transaction")
        else:
            blame(self.record, first.only_new, taken.only_new)

    def _require_both(self, resources: ReportResources) -> None:
        """Look what there is after an answer that does not say that all of it was carried out.

        The finding may be one that was withdrawn earlier: there counts only what was sent now.
        """
        finding, report = map(existing, self.record.ask_all(*self.questions))
        sent = resources.observation["status"]
        if report is None or finding is None or finding.resource.get("status") != sent:
            raise WriteError(
                "A transaction must be carried out as a whole; the record took only a part of it."
            )

    def _require_new(
        self, met: Mapping[int, str | None], resources: ReportResources, earlier: Stored | None
    ) -> None:
        for number, resource in enumerate((resources.observation, resources.report)):
            if number not in met or (number == 0 and earlier is not None):
                continue
            place = f"{resource['resourceType']}/{resource['id']}"
            if was_written_over(self.record, place, met[number]):
                raise replaced(place)

    def complete(self, report: Mapping[str, Any], resources: ReportResources) -> None:
        """Owe nothing, as a transaction is whole or was not; but what was sent apart."""
        if self.journal.has(APART, self.target.key):
            super().complete(report, resources)


class CreateWriter(Writer):
    """POST with If-None-Exist, for servers that give ids themselves."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Search the Observations by the reading's key."""
        query = (
            ("subject", f"Patient/{self.target.patient}"),
            ("identifier", f"{READING_KEY}|{self.target.key}"),
        )
        return (Search("Observation", query),)

    def findings_in(self, answers: Answers) -> list[Stored]:
        """Read what was found and carries the reading's key, for its versions."""
        key = self.target.key
        ours = [r for r in matches_from(answers[0]) if has_identifier(r, READING_KEY, key)]
        return [self.record.read_stored("Observation", str(one["id"])) for one in ours]

    def write(self, resources: ReportResources, answers: Answers) -> Outcome:
        """Create Observation, report and Provenance; what is there already is used."""
        observation = self._observation(resources, self.findings_in(answers))
        linked = resources.refer_to("", observation.location)
        self.begin()
        report = self.record.create(without_id(linked.report), if_none_exist=self._only_once)
        if not report.created:
            return self._existed(report)
        self.write_provenance(resources.refer_to(report.location, observation.location))
        return Outcome(report.location)

    @property
    def _only_once(self) -> str:
        return f"identifier={READING_KEY}|{self.target.key}"

    def _existed(self, report: Stored) -> Outcome:
        """Read the report that the record says is this reading's already."""
        found = self.record.read("DiagnosticReport", report.id)
        if not has_identifier(found, READING_KEY, self.target.key):
            raise ForeignReport(
                "A record must name this reading's own report when it says that there is one; it "
                "named another."
            )
        return Outcome(report.location, existed=True, report=found)

    def _observation(self, resources: ReportResources, earlier: Sequence[Stored]) -> Stored:
        if not earlier:
            self.begin()
            sent = without_id(resources.observation)
            stored = self.record.create(sent, if_none_exist=self._only_once)
            if stored.created:
                self.require_patient(stored.resource)
                return stored
            # The answer need not be what lies there.
            earlier = [self.record.read_stored("Observation", stored.id)]
        # An earlier attempt left it: make it say what this reading says.
        found = earlier[0]
        self.require_ours(found.resource)
        self.begin()
        renewed = resources.observation | {"id": found.id}
        return self.record.update(renewed, if_match=found.version)


WRITERS: Mapping[str, type[Writer]] = {
    "transaction-put": TransactionWriter,
    "put": PutWriter,
    "create": CreateWriter,
}


def require_absent(*answers: Answered) -> None:
    """Look once more, in place of a condition that the server does not understand.

    Raises
    ------
    FhirConflict
        Somebody was faster.
    """
    if any(existing(answer) is not None for answer in answers):
        raise FhirConflict("conflict", "An entry must not lie there yet; now one does.")
