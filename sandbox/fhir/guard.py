"""Scopes and patient, enforced on every FHIR interaction (SMART 2.2, "Scopes ...").

The guard stands between the routes and either backend. What a limited token reaches is decided
from the resource itself, before and after the backend has answered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from sandbox.access import Access, Reach
from sandbox.errors import FhirProblem
from sandbox.fhir.bundle_entries import Entry, names_of_writes, read_entries
from sandbox.fhir.compartment import PATIENT_TYPES, patients_of
from sandbox.fhir.elements import local_reference, make_relative, references_in
from sandbox.fhir.search_parameters import PARAMETERS, check_names, include_parameter
from sandbox.fhir.write_profile import (
    check_create,
    check_transaction,
    check_update,
    check_validate,
)
from sandbox.fhir_backend import (
    FhirBackend,
    Parameters,
    Resource,
    SearchPage,
    ValidationQuestion,
    Written,
)
from sandbox.settings import WriteProfile

# What a write was checked against must still hold when it is done.
_WRITING = threading.RLock()
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_NOTHING: Mapping[str, Resource] = {}


def _forbidden(text: str) -> FhirProblem:
    return FhirProblem(403, "forbidden", text)


class GuardedRecords:
    """The records as one token may see and change them.

    Parameters
    ----------
    backend : FhirBackend
    access : Access
        Of the request.
    base : str
        FHIR base, for absolute references to own records.
    profile : str
        The write profile that the hospital plays.
    """

    def __init__(
        self, backend: FhirBackend, access: Access, base: str, profile: WriteProfile
    ) -> None:
        self._backend = backend
        self._access = access
        self._base = base
        self._profile = profile

    @property
    def base(self) -> str:
        """FHIR base of the hospital."""
        return self._base

    def read(self, kind: str, resource_id: str, version: str | None = None) -> Resource:
        """Read the current or one older version."""
        reach = self._reach(kind, "r")
        # Ids go into addresses of the real server behind the gateway.
        if not _ID.fullmatch(resource_id) or (version and not _ID.fullmatch(version)):
            raise FhirProblem(404, "not-found", "there is no such record")
        if version is None:
            found = self._backend.read(kind, resource_id)
        else:
            found = self._backend.vread(kind, resource_id, version)
        self._demand(reach, found)
        return found

    def search(self, kind: str, parameters: Parameters) -> SearchPage:
        """Search within reach: the patient is added, and what still lies outside is dropped."""
        check_names(kind, (name for name, _ in parameters))
        reach = self._reach(kind, "s")
        for name, value in parameters:
            if name == "_include":
                self._check_include(kind, value)
        page = self._backend.search(kind, self._limited(kind, parameters, reach))
        matches = [match for match in page.matches if self._within(reach, match)]
        return replace(
            page,
            matches=matches,
            includes=[found for found in page.includes if self._may_include(found)],
            total=page.total if len(matches) == len(page.matches) else None,
        )

    def create(self, resource: Resource, if_none_exist: str | None) -> Written:
        """Create for a patient within reach."""
        check_create(self._profile)
        with _WRITING:
            self._check_create(resource, if_none_exist, _NOTHING)
            return self._backend.create(resource, if_none_exist=if_none_exist)

    def update(self, resource: Resource, if_match: str | None, only_new: bool = False) -> Written:
        """Change a record that is, and stays, within reach; or only make it."""
        with _WRITING:
            self._check_update(resource, _NOTHING)
            return self._backend.update(resource, if_match=if_match, only_new=only_new)

    def validate(self, question: ValidationQuestion) -> Resource:
        """Say whether a record could be written, with the scopes and the patient of the write."""
        resource = question.resource
        check_validate(self._profile, question.mode)
        if question.mode == "update":
            self._check_update(resource, _NOTHING)
        else:
            self._check_create(resource, None, _NOTHING)
        return self._backend.validate(question)

    def bundle(self, bundle: Resource) -> Resource:
        """Run a transaction (all or nothing) or a batch (each for itself)."""
        check_transaction(self._profile)
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in _BUNDLES:
            raise FhirProblem(400, "value", "the base takes a Bundle of type transaction or batch")
        entries = read_entries(bundle)
        if bundle["type"] == "batch":
            answers = [self._run_alone(entry) for entry in entries]
            return {"resourceType": "Bundle", "type": "batch-response", "entry": answers}
        written = iter(self._write_all(bundle, entries))
        # R4, "Transaction Processing Rules": reads come last, and see what has been written. As in
        # HAPI a read that fails is its own entry's failure.
        answers = [
            self._run_alone(entry) if entry.method == "GET" else next(written) for entry in entries
        ]
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}

    def _write_all(self, bundle: Resource, entries: list[Entry]) -> list[dict[str, Any]]:
        """Write everything that a transaction writes, or nothing."""
        parsed = zip(bundle.get("entry", []), entries, strict=True)
        raw = [given for given, entry in parsed if entry.method != "GET"]
        if not raw:
            return []
        coming = names_of_writes(entries)
        with _WRITING:
            for entry in entries:
                self._check_entry(entry, coming)
            answer = self._backend.transaction({**bundle, "entry": raw})
        answers = answer.get("entry")
        if not isinstance(answers, list) or len(answers) != len(raw):
            raise FhirProblem(502, "exception", "the FHIR server must answer every entry")
        return answers

    def _check_entry(self, entry: Entry, coming: Mapping[str, Resource]) -> None:
        if entry.method == "GET":
            return  # Checked where it is run, as any read.
        if entry.method == "POST":
            self._check_create(entry.resource, entry.if_none_exist, coming)
        else:
            self._check_update(entry.resource, coming)

    def _check_create(
        self, resource: Resource, if_none_exist: str | None, coming: Mapping[str, Resource]
    ) -> None:
        reach = self._reach(_kind(resource), "c")
        self._check_content(reach, resource, coming)
        if if_none_exist is not None and not reach.everything:
            query = parse_qsl(if_none_exist.removeprefix("?"), keep_blank_values=True)
            check_names(_kind(resource), (name for name, _ in query))
            for match in self._backend.search(_kind(resource), query).matches:
                self._demand(reach, match)

    def _check_update(self, resource: Resource, coming: Mapping[str, Resource]) -> None:
        kind = _kind(resource)
        reach = self._reach(kind, "u")
        # It goes into an address of the real server behind the gateway.
        if not _ID.fullmatch(str(resource.get("id", ""))):
            raise FhirProblem(400, "value", "an update needs an id of letters, digits, - and .")
        current = self._find(kind, str(resource["id"]))
        check_update(self._profile, exists=current is not None)
        if current is not None:
            self._demand(reach, current)
        self._check_content(reach, resource, coming)

    def _check_content(
        self, reach: Reach, resource: Resource, coming: Mapping[str, Resource]
    ) -> None:
        """The record, and everything that it points at, must be this patient's."""
        make_relative(resource, self._base)
        for _, holder in references_in(resource):
            if "?" in holder["reference"] and not holder["reference"].startswith("http"):
                raise FhirProblem(400, "not-supported", "conditional references are not offered")
        if reach.everything:
            return
        self._demand(reach, resource, coming)
        for reference in sorted({holder["reference"] for _, holder in references_in(resource)}):
            self._check_target(reach, reference, coming)

    def _check_target(self, reach: Reach, reference: str, coming: Mapping[str, Resource]) -> None:
        local = local_reference(reference)
        if local is not None and local[0] == "Patient":
            if not reach.admits(local[1]):
                raise _forbidden("the record refers to a patient that this token is not for")
        elif (target := self._resolve(reference, coming)) and _kind(target) in PATIENT_TYPES:
            self._demand(reach, target, coming)

    def _run_alone(self, entry: Entry) -> dict[str, Any]:
        from sandbox.fhir.batches import run_entry

        return run_entry(self, entry)

    def _reach(self, kind: str, permission: str) -> Reach:
        if kind not in PARAMETERS:
            raise FhirProblem(404, "not-supported", "this resource type is not kept here")
        reach = self._access.reach(kind, permission)
        if not reach:
            raise _forbidden(f"no granted scope allows {permission!r} on {kind}")
        return reach

    def _within(
        self, reach: Reach, resource: Resource, coming: Mapping[str, Resource] = _NOTHING
    ) -> bool:
        if reach.everything:
            return True
        owners = patients_of(resource, lambda reference: self._resolve(reference, coming))
        return bool(owners & reach.patients)

    def _demand(
        self, reach: Reach, resource: Resource, coming: Mapping[str, Resource] = _NOTHING
    ) -> None:
        if not self._within(reach, resource, coming):
            raise _forbidden("the record lies outside the patient that this token is for")

    def _resolve(self, reference: str, coming: Mapping[str, Resource]) -> Resource | None:
        if reference in coming:
            return coming[reference]
        local = local_reference(reference)
        return self._find(*local) if local and local[0] in PARAMETERS else None

    def _find(self, kind: str, resource_id: str) -> Resource | None:
        if not _ID.fullmatch(resource_id):
            return None
        try:
            return self._backend.read(kind, resource_id)
        except FhirProblem as error:
            if error.status in (400, 404, 410):
                return None
            raise

    def _limited(self, kind: str, parameters: Parameters, reach: Reach) -> Parameters:
        if reach.everything:
            return parameters
        if kind not in PATIENT_TYPES:
            raise _forbidden(f"{kind} belongs to no patient: a patient scope does not reach it")
        name = "_id" if kind == "Patient" else "patient"
        for given, value in parameters:
            if given.partition(":")[0] in (name, "patient", "subject"):
                _check_patients(value, self._base, reach)
        if kind == "Provenance":
            return parameters  # Its targets are looked at one by one when the answer is filtered.
        prefix = "" if kind == "Patient" else "Patient/"
        allowed = ",".join(f"{prefix}{patient}" for patient in sorted(reach.patients))
        return [*parameters, (name, allowed)]

    def _check_include(self, kind: str, text: str) -> None:
        targets = include_parameter(kind, text).targets
        if not any(self._include_reach(target) for target in targets):
            raise _forbidden("no granted scope allows to read what _include asks for")

    def _include_reach(self, kind: str) -> Reach:
        return self._access.reach(kind, "r") or self._access.reach(kind, "s")

    def _may_include(self, resource: Resource) -> bool:
        reach = self._include_reach(_kind(resource))
        return bool(reach) and self._within(reach, resource)


_BUNDLES = ("transaction", "batch")


def _kind(resource: Any) -> str:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        raise FhirProblem(400, "structure", "a resource is a JSON object with a resourceType")
    return kind


def _check_patients(value: str, base: str, reach: Reach) -> None:
    for text in value.split(","):
        if not reach.admits(text.removeprefix(f"{base}/").removeprefix("Patient/")):
            raise _forbidden("the search asks for a patient that this token is not for")
