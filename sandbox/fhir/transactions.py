"""Transactions of the built-in record store (FHIR R4, "batch/transaction")."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from sandbox.errors import FhirProblem
from sandbox.fhir.bundle_entries import Entry, read_entries, response_entry
from sandbox.fhir.elements import references_in
from sandbox.fhir_backend import Resource, Written

if TYPE_CHECKING:
    from sandbox.fhir.sqlite import SqliteRecords


@dataclass(frozen=True)
class _Planned:
    """An entry, the key that its references are rewritten to, and what a condition found."""

    entry: Entry
    resource_id: str
    found: Resource | None = None

    @property
    def reference(self) -> str:
        return f"{self.entry.kind}/{self.resource_id}"


def run(records: SqliteRecords, connection: Connection, bundle: Resource) -> Resource:
    """Run every entry of a transaction within the open database transaction.

    Raises
    ------
    FhirProblem
        Of the first entry that fails, naming it; the caller then rolls back.
    """
    planned = [_plan(records, connection, entry) for entry in read_entries(bundle)]
    keys = [item.reference for item in planned]
    if len(set(keys)) != len(keys):
        raise FhirProblem(400, "duplicate", "a transaction may write each record once")
    new_names = {item.entry.full_url or item.reference: item.reference for item in planned}
    written = [
        _write(records, connection, item, new_names, number) for number, item in enumerate(planned)
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [response_entry(each) for each in written],
    }


def _plan(records: SqliteRecords, connection: Connection, entry: Entry) -> _Planned:
    from sandbox.fhir.sqlite import make_id

    if entry.method == "PUT":
        return _Planned(entry, entry.resource_id or "")
    found = None
    if entry.if_none_exist is not None:
        found = records.find_one(connection, entry.kind, entry.if_none_exist)
    return _Planned(entry, found["id"] if found else make_id(), found)


def _write(
    records: SqliteRecords,
    connection: Connection,
    item: _Planned,
    new_names: dict[str, str],
    number: int,
) -> Written:
    if item.found is not None:
        return Written(item.found, created=False)
    resource: dict[str, Any] = copy.deepcopy(item.entry.resource)
    for _, holder in references_in(resource):
        holder["reference"] = new_names.get(holder["reference"], holder["reference"])
    # Entries may refer to each other in any order: all of them are there in the end, or none.
    keys = frozenset(new_names.values()) | {item.reference}
    try:
        if item.entry.method == "PUT":
            return records.update_within(
                connection, resource, item.entry.if_match, keys, only_new=item.entry.only_new
            )
        return records.create_within(connection, resource, None, item.resource_id, keys)
    except FhirProblem as error:
        text = f"entry {number}: {error.text}"
        raise FhirProblem(error.status, error.code, text, error.expressions) from error
