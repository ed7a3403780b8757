"""The built-in record store: FHIR R4 in one SQLite file."""

from __future__ import annotations

import copy
import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection, create_engine, delete, event, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from sandbox.errors import FhirProblem
from sandbox.fhir import transactions
from sandbox.fhir.elements import local_reference, make_relative, references_in, values_at
from sandbox.fhir.index import terms_of
from sandbox.fhir.outcome import no_issues, operation_outcome
from sandbox.fhir.search_parameters import PARAMETERS, include_parameter
from sandbox.fhir.search_query import SearchPlan, plan_search
from sandbox.fhir.tables import metadata, resources, terms, versions
from sandbox.fhir.validation import check_reference_forms, check_resource
from sandbox.fhir_backend import (
    Parameters,
    Resource,
    SearchPage,
    ValidationQuestion,
    Written,
)

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class SqliteRecords:
    """A :class:`sandbox.fhir_backend.FhirBackend` over one SQLite file.

    Parameters
    ----------
    path : pathlib.Path
        The file; made when absent.
    base : str
        FHIR base, for absolute references to own records.
    page_size : int
        Matches on a page without ``_count``.
    """

    def __init__(self, path: Path, base: str, page_size: int = 50) -> None:
        self._base = base
        self._page_size = page_size
        self._engine = create_engine(f"sqlite:///{path}")
        event.listen(self._engine, "connect", _prepare_connection)
        metadata.create_all(self._engine)
        self._writing = threading.RLock()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def health(self) -> bool:
        """Whether the store answers."""
        with self._engine.connect() as connection:
            return connection.execute(select(1)).scalar() == 1

    def read(self, kind: str, resource_id: str) -> Resource:
        """Read the current version."""
        with self._engine.connect() as connection:
            found = _current(connection, kind, resource_id)
        if found is None:
            raise FhirProblem(404, "not-found", "there is no such record")
        return found

    def vread(self, kind: str, resource_id: str, version: str) -> Resource:
        """Read one version."""
        query = select(versions.c.body).where(
            versions.c.kind == kind,
            versions.c.id == resource_id,
            versions.c.version == (int(version) if version.isdecimal() else -1),
        )
        with self._engine.connect() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            raise FhirProblem(404, "not-found", "there is no such version of the record")
        return _load(body)

    def search(self, kind: str, parameters: Parameters) -> SearchPage:
        """Search one type; the page mark is the number of matches before it."""
        with self._engine.connect() as connection:
            return self._search(connection, kind, parameters)

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Written:
        """Store under a new id, or find the one that ``if_none_exist`` matches."""
        with self._writes() as connection:
            return self.create_within(connection, resource, if_none_exist)

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Written:
        """Store under the resource's own id."""
        with self._writes() as connection:
            return self.update_within(connection, resource, if_match, only_new=only_new)

    def transaction(self, bundle: Resource) -> Resource:
        """All entries or none."""
        with self._writes() as connection:
            return transactions.run(self, connection, bundle)

    def validate(self, question: ValidationQuestion) -> Resource:
        """Say what a write would be refused for, and write nothing."""
        resource = copy.deepcopy(question.resource)
        try:
            check_resource(resource)
            make_relative(resource, self._base)
            check_reference_forms(resource)
        except FhirProblem as error:
            return operation_outcome(error)
        try:
            with self._engine.connect() as connection:
                self._check_targets(connection, resource, frozenset())
        except FhirProblem as error:
            # The missing record may come with the write, in one transaction.
            return operation_outcome(error, severity="warning")
        return no_issues()

    def create_within(
        self,
        connection: Connection,
        resource: Resource,
        if_none_exist: str | None,
        new_id: str | None = None,
        coming: frozenset[str] = frozenset(),
    ) -> Written:
        """Create as part of an open transaction; ``coming`` are the records that it writes too."""
        check_resource(resource)
        if if_none_exist is not None:
            found = self.find_one(connection, resource["resourceType"], if_none_exist)
            if found is not None:
                return Written(found, created=False)
        stored = {**copy.deepcopy(resource), "id": new_id or make_id()}
        return self._store(connection, stored, 1, coming)

    def update_within(
        self,
        connection: Connection,
        resource: Resource,
        if_match: str | None,
        coming: frozenset[str] = frozenset(),
        *,
        only_new: bool = False,
    ) -> Written:
        """Update as part of an open transaction; ``coming`` are the records that it writes too."""
        check_resource(resource)
        if not _ID.fullmatch(str(resource.get("id", ""))):
            raise FhirProblem(400, "value", "an update needs an id of letters, digits, - and .")
        current = _current(connection, resource["resourceType"], resource["id"])
        version = int(current["meta"]["versionId"]) if current else 0
        if if_match is not None and if_match != str(version):
            raise FhirProblem(412, "conflict", "If-Match does not name the current version")
        if only_new and current is not None:
            raise FhirProblem(412, "conflict", "If-None-Match: * allows no record to be there yet")
        if current is None and resource["id"].isdigit():
            # As HAPI does: ids of digits only are the server's own.
            raise FhirProblem(400, "value", "ids of digits only are given by the server")
        return self._store(connection, copy.deepcopy(resource), version + 1, coming)

    def find_one(self, connection: Connection, kind: str, query: str) -> Resource | None:
        """The one match of a conditional create; 412 when there are several."""
        parameters = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        if not parameters:
            raise FhirProblem(412, "invalid", "If-None-Exist must be a search")
        page = self._search(connection, kind, [*parameters, ("_count", "2")])
        if len(page.matches) > 1:
            raise FhirProblem(412, "multiple-matches", "If-None-Exist matches several records")
        return page.matches[0] if page.matches else None

    @contextmanager
    def _writes(self) -> Iterator[Connection]:
        """One writer at a time: what it has checked stays true until it has written."""
        with self._writing, self._engine.begin() as connection:
            yield connection

    def _search(self, connection: Connection, kind: str, parameters: Parameters) -> SearchPage:
        plan = plan_search(kind, parameters, self._base, self._page_size)
        rows = plan.rows.limit(plan.count).offset(plan.offset)
        matches = [_load(body) for body in connection.execute(rows).scalars()]
        total = connection.execute(plan.total).scalar_one()
        following = plan.offset + plan.count
        more = plan.count > 0 and following < total
        return SearchPage(
            matches=matches,
            includes=_included(connection, kind, plan, matches),
            total=total,
            next_page=str(following) if more else None,
        )

    def _store(
        self, connection: Connection, resource: Resource, version: int, coming: frozenset[str]
    ) -> Written:
        make_relative(resource, self._base)
        check_reference_forms(resource)
        self._check_targets(connection, resource, coming)
        now = time.time()
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        stamped = {"versionId": str(version), "lastUpdated": stamp}
        resource["meta"] = {**resource.get("meta", {}), **stamped}
        key = {"kind": resource["resourceType"], "id": resource["id"]}
        body = json.dumps(resource, ensure_ascii=False, separators=(",", ":"))
        row = {**key, "version": version, "updated": now, "body": body}
        values = {"version": version, "updated": now, "body": body}
        connection.execute(
            upsert(resources).values(row).on_conflict_do_update(["kind", "id"], set_=values)
        )
        connection.execute(insert(versions).values(**key, version=version, body=body))
        connection.execute(
            delete(terms).where(terms.c.kind == key["kind"], terms.c.id == key["id"])
        )
        connection.execute(insert(terms), [{**key, **vars(term)} for term in terms_of(resource)])
        return Written(resource, created=version == 1)

    def _check_targets(
        self, connection: Connection, resource: Resource, coming: frozenset[str]
    ) -> None:
        """Referential integrity: a reference to an own record must find it."""
        for path, holder in references_in(resource):
            local = local_reference(holder["reference"])
            itself = local == (resource["resourceType"], resource.get("id"))
            if local is None or itself or "/".join(local) in coming:
                continue
            if local[0] not in PARAMETERS or _current(connection, *local) is None:
                raise FhirProblem(400, "not-found", "a reference finds no record here", (path,))


def make_id() -> str:
    """A new id; it begins with a letter, so that it is never mistaken for a number."""
    return f"s{secrets.token_hex(12)}"


def _prepare_connection(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _current(connection: Connection, kind: str, resource_id: str) -> Resource | None:
    query = select(resources.c.body).where(resources.c.kind == kind, resources.c.id == resource_id)
    body = connection.execute(query).scalar()
    return None if body is None else _load(body)


def _load(body: str) -> Resource:
    loaded: Resource = json.loads(body)
    return loaded


def _included(
    connection: Connection, kind: str, plan: SearchPlan, matches: list[Resource]
) -> list[Resource]:
    wanted: dict[tuple[str, str], None] = {}
    for text in plan.includes:
        parameter = include_parameter(kind, text)
        for match in matches:
            for path in parameter.paths:
                for value in values_at(match, path):
                    local = local_reference(value.get("reference"))
                    if local and (not parameter.targets or local[0] in parameter.targets):
                        wanted[local] = None
    found = (_current(connection, *key) for key in wanted)
    return [resource for resource in found if resource is not None]
