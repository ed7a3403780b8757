"""Entries that are run for themselves, through the guard (FHIR R4, "batch/transaction")."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox.errors import FhirProblem
from sandbox.fhir.bundle_entries import Entry, read_answer, response_entry
from sandbox.fhir.outcome import operation_outcome
from sandbox.fhir.searchset import searchset

if TYPE_CHECKING:
    from sandbox.fhir.guard import GuardedRecords


def run_entry(records: GuardedRecords, entry: Entry) -> dict[str, Any]:
    """Run one entry; what goes wrong becomes its own answer."""
    try:
        return _run(records, entry)
    except FhirProblem as error:
        status = f"{error.status} {HTTPStatus(error.status).phrase}"
        return {"response": {"status": status, "outcome": operation_outcome(error)}}


def _run(records: GuardedRecords, entry: Entry) -> dict[str, Any]:
    if entry.method == "POST":
        return response_entry(records.create(entry.resource, entry.if_none_exist))
    if entry.method == "PUT":
        return response_entry(records.update(entry.resource, entry.if_match, entry.only_new))
    if entry.resource_id is not None:
        return read_answer(records.read(entry.kind, entry.resource_id))
    page = records.search(entry.kind, entry.query)
    found = searchset(entry.kind, entry.query, page, records.base)
    return {"response": {"status": "200 OK"}, "resource": found}
