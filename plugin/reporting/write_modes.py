"""How each kind of FHIR server is written to: `transaction-put`, `put`, `create`.

Always the Observation first and the DiagnosticReport last: a report never points to nothing, and an
attempt that broke off leaves only an Observation that the next attempt finds and uses.
The Provenance is created (its scope allows no more), so it needs an id from the server.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from plugin.errors import PluginError
from plugin.imaging.identity import local_id
from plugin.record import Record
from plugin.reporting.fhir_codes import READING_KEY
from plugin.reporting.report import ReportResources
from smart_launch.errors import FhirConflict, FhirForbidden, FhirNotFound, FhirRejected
from smart_launch.stored import Stored

log = logging.getLogger("wetread.write_back")

BEGUN = "begun"
PROVENANCE = "provenance"
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
    next_step = "Tell your Wetread administrator; nothing was changed."
    status = 409


class Journal(Protocol):
    """What this reading has written already, kept in its row across restarts."""

    def note(self, step: str) -> None:
        """Remember a step."""

    def has(self, step: str) -> bool:
        """Tell whether a step was noted, by an earlier attempt too."""


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
    """Where the report lies; `existed` if the server had it already and kept its own."""

    reference: str
    existed: bool = False


class Writer:
    """What all modes share."""

    own_ids = False

    def __init__(self, record: Record, journal: Journal) -> None:
        self.record, self.journal = record, journal

    def hidden_report(self, report_id: str) -> Mapping[str, Any] | None:
        """Give the report under our id: it may have lost the identifier that search goes by.

        None: there is none, or there can be none because the server gives the ids.
        """
        found = self.existing("DiagnosticReport", report_id) if self.own_ids else None
        return found.resource if found else None

    def existing(self, resource_type: str, resource_id: str) -> Stored | None:
        """Read what lies under one of our ids.

        Raises
        ------
        ForeignReport
            Something that this user may not see, so that it is not ours to overwrite.
        """
        try:
            return self.record.read_stored(resource_type, resource_id)
        except FhirNotFound:
            return None
        except FhirForbidden as error:
            raise ForeignReport(
                "A report is written only where no other lies; one that you may not see lies there."
            ) from error

    def write(self, resources: ReportResources, target: Target) -> Outcome:
        """Write Observation, DiagnosticReport and Provenance."""
        raise NotImplementedError

    def complete(self, report: str, resources: ReportResources, target: Target) -> None:
        """Add what an attempt of this reading that broke off after its report still owes."""
        observation = next((r["reference"] for r in resources.report["result"]), "")
        if self.journal.has(BEGUN) and not self.journal.has(PROVENANCE):
            self.write_provenance(resources.refer_to(report, observation), target)

    def write_provenance(self, resources: ReportResources, target: Target) -> None:
        """Create the Provenance; a record that takes none keeps its report all the same."""
        if target.provenance:
            try:
                self.record.create(without_id(resources.provenance))
            except REFUSED as error:
                log.warning("provenance_refused", extra={"code": error.code})
        self.journal.note(PROVENANCE)

    def withdraw(self, observation: Stored) -> None:
        """Mark an Observation whose report was refused: nothing half written stays valid."""
        try:
            current = self.record.read_stored("Observation", observation.id)
            cancelled = current.resource | {"status": "cancelled"}
            self.record.update(cancelled, if_match=current.version)
        except REFUSED as error:
            log.warning("observation_not_withdrawn", extra={"code": error.code})

    def require_ours(self, resource: Mapping[str, Any], target: Target) -> None:
        """Refuse to touch an Observation of another subject, or one that somebody worked on.

        Raises
        ------
        ForeignReport
        """
        subject = (resource.get("subject") or {}).get("reference")
        if local_id(subject, "Patient", self.record.base_url) != target.patient:
            raise ForeignReport("A finding is written only where none of another patient lies.")
        if resource.get("status") not in ("registered", "preliminary", "cancelled"):
            raise ForeignReport("A finding that somebody has worked on is not changed.")


class PutWriter(Writer):
    """One PUT after the other under our own ids, for servers without transactions."""

    own_ids = True

    def write(self, resources: ReportResources, target: Target) -> Outcome:
        """PUT Observation and report, create the Provenance."""
        version = self.observation_version(resources, target)
        self.journal.note(BEGUN)
        observation = self.record.update(resources.observation, if_match=version)
        try:
            report = self.record.update(resources.report)
        except REFUSED:
            self.withdraw(observation)
            raise
        self.write_provenance(resources, target)
        return Outcome(report.location)

    def observation_version(self, resources: ReportResources, target: Target) -> str | None:
        """Give the version of the Observation that a broken-off attempt left; None without one."""
        found = self.existing("Observation", str(resources.observation["id"]))
        if found is None:
            return None
        self.require_ours(found.resource, target)
        return found.version


class TransactionWriter(PutWriter):
    """All in one transaction: everything or nothing (HAPI)."""

    def write(self, resources: ReportResources, target: Target) -> Outcome:
        """PUT Observation and report and create the Provenance, in one Bundle."""
        version = self.observation_version(resources, target)
        entries = [self._put(resources.observation, version), self._put(resources.report, None)]
        if target.provenance:
            entries.append(_post(without_id(resources.provenance)))
        self.record.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        return Outcome(f"DiagnosticReport/{resources.report['id']}")

    def complete(self, report: str, resources: ReportResources, target: Target) -> None:
        """Owe nothing: a transaction is whole or was not."""

    def _put(self, resource: dict[str, Any], version: str | None) -> dict[str, Any]:
        place = f"{resource['resourceType']}/{resource['id']}"
        request = {"method": "PUT", "url": place}
        if version is not None:
            request["ifMatch"] = f'W/"{version}"'
        return {
            "fullUrl": f"{self.record.base_url}/{place}",
            "resource": resource,
            "request": request,
        }


class CreateWriter(Writer):
    """POST with If-None-Exist, for servers that give ids themselves."""

    def write(self, resources: ReportResources, target: Target) -> Outcome:
        """Create Observation, report and Provenance; what is there already is used."""
        self.journal.note(BEGUN)
        observation = self._observation(resources, target)
        linked = resources.refer_to("", observation.location)
        only_once = f"identifier={READING_KEY}|{target.key}"
        try:
            report = self.record.create(without_id(linked.report), if_none_exist=only_once)
        except FhirConflict:
            raise  # somebody was faster: the Observation may be in use
        except REFUSED:
            self.withdraw(observation)
            raise
        if not report.created:
            return Outcome(report.location, existed=True)
        self.write_provenance(resources.refer_to(report.location, observation.location), target)
        return Outcome(report.location)

    def complete(self, report: str, resources: ReportResources, target: Target) -> None:
        """Add a missing Provenance, under the ids that the server gave."""
        if not self.journal.has(BEGUN) or self.journal.has(PROVENANCE):
            return
        stored = self.record.read(*report.split("/", 1))
        observation = next((r["reference"] for r in stored.get("result", ())), None)
        if observation:
            self.write_provenance(resources.refer_to(report, observation), target)

    def _observation(self, resources: ReportResources, target: Target) -> Stored:
        query = {
            "subject": f"Patient/{target.patient}",
            "identifier": f"{READING_KEY}|{target.key}",
        }
        for found in self.record.search("Observation", query):
            self.require_ours(found, target)
            return self._refresh(str(found["id"]), resources)
        only_once = f"identifier={READING_KEY}|{target.key}"
        stored = self.record.create(without_id(resources.observation), if_none_exist=only_once)
        self.require_ours(stored.resource, target)
        return stored

    def _refresh(self, observation_id: str, resources: ReportResources) -> Stored:
        """Make an Observation that an earlier attempt left say what this reading says."""
        current = self.record.read_stored("Observation", observation_id)
        renewed = resources.observation | {"id": observation_id}
        return self.record.update(renewed, if_match=current.version)


WRITERS: Mapping[str, type[Writer]] = {
    "transaction-put": TransactionWriter,
    "put": PutWriter,
    "create": CreateWriter,
}


def without_id(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Give a resource without our id, for a server that gives its own."""
    return {name: value for name, value in resource.items() if name != "id"}


def _post(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": resource,
        "request": {"method": "POST", "url": str(resource["resourceType"])},
    }
