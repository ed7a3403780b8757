"""How each kind of FHIR server is written to: `transaction-put`, `put`, `create`.

Always the Observation first and the DiagnosticReport last: a report never points to nothing, and an
attempt that broke off leaves only an Observation, which the next attempt uses or `settling.py`
withdraws. Directly before each write `begin` asks the journal whether this worker may still write.
The Provenance is created (its scope allows no more), so it needs an id from the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from plugin.reporting.fhir_codes import READING_KEY
from plugin.reporting.report import ReportResources, own_id
from plugin.reporting.writer import ForeignReport, Outcome, Writer, replaced, without_id
from plugin.reporting.written_over import entries_that_met_one, was_written_over
from smart_launch.errors import FhirConflict, FhirForbidden, FhirNotFound, FhirRejected
from smart_launch.stored import Stored


class PutWriter(Writer):
    """One PUT after the other under our own ids, for servers without transactions."""

    def hidden_report(self) -> Mapping[str, Any] | None:
        """Read what lies under our id."""
        found = self.existing("DiagnosticReport")
        return found.resource if found else None

    def findings(self) -> list[Stored]:
        """Read what lies under our id."""
        found = self.existing("Observation")
        return [found] if found else []

    def existing(self, resource_type: str) -> Stored | None:
        """Read what lies under our id.

        Raises
        ------
        ForeignReport
            Something that this user may not see, so that it is not ours to overwrite.
        """
        try:
            return self.record.read_stored(resource_type, own_id(self.target.key))
        except FhirNotFound:
            return None
        except FhirForbidden as error:
            raise ForeignReport(
                "A report is written only where no other lies; one that you may not see lies there."
            ) from error

    def write(self, resources: ReportResources) -> Outcome:
        """PUT Observation and report, create the Provenance; look before each PUT."""
        report = resources.report
        place = f"DiagnosticReport/{report['id']}"
        if self.hidden_report() is not None:
            return Outcome(place, existed=True)
        self._put(resources.observation, self.earlier_finding())
        if self.hidden_report() is not None:
            return Outcome(place, existed=True)
        self._put(report, None)
        self.write_provenance(resources)
        return Outcome(place)

    def earlier_finding(self) -> Stored | None:
        """Give the Observation that a broken-off attempt left; None without one."""
        found = self.existing("Observation")
        if found is not None:
            self.require_ours(found.resource)
        return found

    def _put(self, resource: dict[str, Any], earlier: Stored | None) -> None:
        if earlier is not None:
            self.begin()
            self.record.update(resource, if_match=earlier.version)
            return
        stored = self._put_new(resource)
        if not stored.created and was_written_over(self.record, stored.location, stored.version):
            raise replaced(stored.location)

    def _put_new(self, resource: dict[str, Any]) -> Stored:
        self.begin()
        try:
            return self.record.update(resource, only_new=True)
        except FhirRejected:
            # R4 defines If-None-Match for reads only, and some servers refuse it elsewhere.
            self.require_absent(resource["resourceType"])
        self.begin()
        return self.record.update(resource)

    def require_absent(self, resource_type: str) -> None:
        """Look once more, in place of the condition that the server does not understand.

        Raises
        ------
        FhirConflict
            Somebody was faster.
        """
        if self.existing(resource_type) is not None:
            raise FhirConflict("conflict", "An entry must not lie there yet; now one does.")


class TransactionWriter(PutWriter):
    """All in one transaction: everything or nothing (HAPI)."""

    def write(self, resources: ReportResources) -> Outcome:
        """PUT Observation and report and create the Provenance, in one Bundle."""
        place = f"DiagnosticReport/{resources.report['id']}"
        earlier = self.earlier_finding()
        if self.hidden_report() is not None:
            return Outcome(place, existed=True)
        try:
            answer = self._send(resources, earlier, only_new=True)
        except FhirRejected:
            # R4 does not define ifNoneMatch for PUT entries; some servers refuse it.
            self.require_absent("DiagnosticReport")
            if earlier is None:
                self.require_absent("Observation")
            answer = self._send(resources, earlier, only_new=False)
        self._require_new(entries_that_met_one(answer), resources, earlier)
        return Outcome(place)

    def _send(
        self, resources: ReportResources, earlier: Stored | None, *, only_new: bool
    ) -> Mapping[str, Any]:
        entries = [
            self._entry(resources.observation, earlier, only_new=only_new),
            self._entry(resources.report, None, only_new=only_new),
        ]
        if self.target.provenance:
            entries.append(_post(without_id(resources.provenance)))
        self.begin()
        return self.record.transaction(
            {"resourceType": "Bundle", "type": "transaction", "entry": entries}
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
        """Owe nothing: a transaction is whole or was not."""

    def _entry(
        self, resource: dict[str, Any], earlier: Stored | None, *, only_new: bool
    ) -> dict[str, Any]:
        place = f"{resource['resourceType']}/{resource['id']}"
        request = {"method": "PUT", "url": place}
        if earlier is None and only_new:
            request["ifNoneMatch"] = "*"
        elif earlier is not None and earlier.version is not None:
            request["ifMatch"] = f'W/"{earlier.version}"'
        return {
            "fullUrl": f"{self.record.base_url}/{place}",
            "resource": resource,
            "request": request,
        }


class CreateWriter(Writer):
    """POST with If-None-Exist, for servers that give ids themselves."""

    def findings(self) -> list[Stored]:
        """Search them by the reading's key."""
        query = {
            "subject": f"Patient/{self.target.patient}",
            "identifier": f"{READING_KEY}|{self.target.key}",
        }
        found = self.record.search("Observation", query)
        return [self.record.read_stored("Observation", str(one["id"])) for one in found]

    def write(self, resources: ReportResources) -> Outcome:
        """Create Observation, report and Provenance; what is there already is used."""
        observation = self._observation(resources)
        linked = resources.refer_to("", observation.location)
        self.begin()
        report = self.record.create(without_id(linked.report), if_none_exist=self._only_once)
        if not report.created:
            return Outcome(report.location, existed=True)
        self.write_provenance(resources.refer_to(report.location, observation.location))
        return Outcome(report.location)

    @property
    def _only_once(self) -> str:
        return f"identifier={READING_KEY}|{self.target.key}"

    def _observation(self, resources: ReportResources) -> Stored:
        for found in self.findings():
            # An earlier attempt left it: make it say what this reading says.
            self.require_ours(found.resource)
            self.begin()
            renewed = resources.observation | {"id": found.id}
            return self.record.update(renewed, if_match=found.version)
        self.begin()
        sent = without_id(resources.observation)
        stored = self.record.create(sent, if_none_exist=self._only_once)
        self.require_ours(stored.resource)
        return stored


WRITERS: Mapping[str, type[Writer]] = {
    "transaction-put": TransactionWriter,
    "put": PutWriter,
    "create": CreateWriter,
}


def _post(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": resource,
        "request": {"method": "POST", "url": str(resource["resourceType"])},
    }
