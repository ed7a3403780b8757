"""The transaction that writes a reading: all of it or nothing, and the report read back with it.

FHIR R4 (http.html#trules) has the reads of a transaction done after its writes. So the same request
that writes the report says what the record holds of it afterwards. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from plugin.reporting.only_new import NO_VERSION, OnlyNew
from plugin.reporting.report import ReportResources
from smart_launch.errors import FhirError, FhirRejected
from smart_launch.fhir_batch import Read, stored_in
from smart_launch.stored import Stored

# Observation and report stand at the beginning.
_UPDATES = 2


@dataclass(frozen=True)
class WriteBundle:
    """A reading's transaction.

    Attributes
    ----------
    earlier : Stored or None
        The Observation that an attempt which broke off has left.
    provenance : bool
        A Provenance is created too.
    only_new : OnlyNew
        How the server is asked to refuse where something lies already.
    read_back : bool
        Ask for the report as it is afterwards. Not every server takes a read in a transaction.
    """

    base_url: str
    resources: ReportResources
    earlier: Stored | None
    provenance: bool
    only_new: OnlyNew
    read_back: bool

    @property
    def place(self) -> str:
        """Where the report goes, ``Type/id``."""
        return self._report.address

    def after(self, error: FhirError) -> WriteBundle | None:
        """Give what is sent once more after a refusal; None if there is nothing to leave out.

        A server that does not accept the content may mean the Provenance: the user who launched may
        not be in this record (HAPI then refuses the whole).
        """
        only_new = self.only_new.after(error)
        if isinstance(error, FhirRejected):
            plain = replace(
                self, only_new=only_new or self.only_new, read_back=False, provenance=False
            )
            return None if plain == self else plain
        return None if only_new is None else replace(self, only_new=only_new)

    def as_json(self) -> dict[str, Any]:
        """Write the Bundle: the Observation first, the report's reading last."""
        entries = [
            self._put(self.resources.observation, self.earlier),
            self._put(self.resources.report, None),
        ]
        if self.provenance:
            entries.append(_post(self.resources.provenance))
        if self.read_back:
            entries.append({"request": {"method": "GET", "url": self.place}})
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    def report_in(self, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Give the report as the answer says that it was read; None if that is not clear."""
        entries = answer.get("entry")
        if not self.read_back or not isinstance(entries, list):
            return None
        if len(entries) != 3 + self.provenance or not isinstance(entries[-1], dict):
            return None
        try:
            found = stored_in(entries[-1], self._report)
        except FhirError:
            return None
        return found.resource if isinstance(found, Stored) else None

    @property
    def _report(self) -> Read:
        return Read("DiagnosticReport", str(self.resources.report["id"]))

    def _put(self, resource: dict[str, Any], earlier: Stored | None) -> dict[str, Any]:
        place = f"{resource['resourceType']}/{resource['id']}"
        request = {"method": "PUT", "url": place}
        if earlier is None and self.only_new.none_match:
            request["ifNoneMatch"] = "*"
        if earlier is None and self.only_new.version_zero:
            request["ifMatch"] = f'W/"{NO_VERSION}"'
        elif earlier is not None and earlier.version is not None:
            request["ifMatch"] = f'W/"{earlier.version}"'
        return {"fullUrl": f"{self.base_url}/{place}", "resource": resource, "request": request}


def was_carried_out(answer: Mapping[str, Any]) -> bool:
    """Tell whether a transaction's answer says that its updates were carried out.

    A server that takes the entries one by one answers as to a batch, or refuses one of them only.
    An entry without a status says nothing: reading back decides.

    References
    ----------
    FHIR R4, http.html#transaction-response
    """
    entries = answer.get("entry")
    if answer.get("type") != "transaction-response" or not isinstance(entries, list):
        return False
    return not any(_status(entry).startswith(("4", "5")) for entry in entries[:_UPDATES])


def _status(entry: object) -> str:
    response = entry.get("response") if isinstance(entry, Mapping) else None
    return str(response.get("status") or "") if isinstance(response, Mapping) else ""


def _post(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Create an entry whose id the server gives."""
    return {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": {name: value for name, value in resource.items() if name != "id"},
        "request": {"method": "POST", "url": str(resource["resourceType"])},
    }
