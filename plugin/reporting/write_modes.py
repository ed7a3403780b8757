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
from smart_launch.errors import FhirForbidden, FhirNotFound
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
        self.begin()
        version = earlier.version if earlier else None
        stored = self.record.update(resource, if_match=version, only_new=earlier is None)
        if earlier is None and not stored.created:
            raise replaced(stored.location)


class TransactionWriter(PutWriter):
    """All in one transaction: everything or nothing (HAPI)."""

    def write(self, resources: ReportResources) -> Outcome:
        """PUT Observation and report and create the Provenance, in one Bundle."""
        place = f"DiagnosticReport/{resources.report['id']}"
        earlier = self.earlier_finding()
        if self.hidden_report() is not None:
            return Outcome(place, existed=True)
        entries = [self._entry(resources.observation, earlier), self._entry(resources.report, None)]
        if self.target.provenance:
            entries.append(_post(without_id(resources.provenance)))
        self.begin()
        answer = self.record.transaction(
            {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        )
        met = _met_something(answer)
        if (met[:1] == [True] and earlier is None) or met[1:2] == [True]:
            raise replaced(place)
        return Outcome(place)

    def complete(self, report: Mapping[str, Any], resources: ReportResources) -> None:
        """Owe nothing: a transaction is whole or was not."""

    def _entry(self, resource: dict[str, Any], earlier: Stored | None) -> dict[str, Any]:
        place = f"{resource['resourceType']}/{resource['id']}"
        request = {"method": "PUT", "url": place}
        if earlier is None:
            request["ifNoneMatch"] = "*"
        elif earlier.version is not None:
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


def _met_something(answer: Mapping[str, Any]) -> list[bool]:
    """Tell of each entry whether it met an older one: 200, not 201.

    Some servers leave the status out; then nothing is known, and reading back decides.
    """
    entries = answer.get("entry") or []
    statuses = [str((entry.get("response") or {}).get("status", "")) for entry in entries]
    return [status.startswith("200") for status in statuses]


def _post(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": resource,
        "request": {"method": "POST", "url": str(resource["resourceType"])},
    }
