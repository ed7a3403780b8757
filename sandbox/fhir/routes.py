"""The FHIR REST API (R4, "RESTful API"), behind the guard."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request
from werkzeug.exceptions import InternalServerError

from sandbox import hospital
from sandbox.access import require_access
from sandbox.errors import FhirProblem
from sandbox.fhir import blueprint
from sandbox.fhir.bundle_entries import read_only_new, read_version
from sandbox.fhir.capability import capability_statement
from sandbox.fhir.exchange import bundle_answer, check_accept, fhir_json, read_body, written_answer
from sandbox.fhir.guard import GuardedRecords
from sandbox.fhir.outcome import operation_outcome
from sandbox.fhir.searchset import searchset
from sandbox.fhir.validate_operation import read_question
from sandbox.fhir_backend import Resource

_BASE = "/fhir/r4"


def _records() -> GuardedRecords:
    house = hospital.current()
    access = require_access()
    check_accept(request)
    return GuardedRecords(
        house.fhir, access, house.settings.fhir_base, house.settings.write_profile
    )


@blueprint.get(f"{_BASE}/metadata")
def metadata() -> Response:
    """What this server can do; open to all."""
    check_accept(request)
    return fhir_json(capability_statement(hospital.current().settings))


@blueprint.get(f"{_BASE}/<kind>/<resource_id>")
def read(kind: str, resource_id: str) -> Response:
    """Read the current version."""
    return _resource_answer(_records().read(kind, resource_id))


@blueprint.get(f"{_BASE}/<kind>/<resource_id>/_history/<version>")
def vread(kind: str, resource_id: str, version: str) -> Response:
    """Read one version."""
    return _resource_answer(_records().read(kind, resource_id, version))


@blueprint.get(f"{_BASE}/<kind>")
def search(kind: str) -> Response:
    """Search by GET."""
    return _search(kind, list(request.args.items(multi=True)))


@blueprint.post(f"{_BASE}/<kind>/_search")
def search_by_post(kind: str) -> Response:
    """Search by POST, which keeps the parameters out of logs."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise FhirProblem(415, "not-supported", "_search takes application/x-www-form-urlencoded")
    form = list(request.form.items(multi=True))
    return _search(kind, [*request.args.items(multi=True), *form])


def _search(kind: str, parameters: list[tuple[str, str]]) -> Response:
    records = _records()
    asked = [(name, value) for name, value in parameters if name != "_format"]
    page = records.search(kind, asked)
    return fhir_json(searchset(kind, asked, page, hospital.current().settings.fhir_base))


@blueprint.post(f"{_BASE}/<kind>")
def create(kind: str) -> Response:
    """Create; ``If-None-Exist`` makes it conditional."""
    records = _records()
    resource = _body_of(kind)
    written = records.create(resource, request.headers.get("If-None-Exist"))
    return written_answer(request, written, hospital.current().settings.fhir_base)


@blueprint.post(f"{_BASE}/<kind>/$validate")
@blueprint.post(f"{_BASE}/<kind>/<resource_id>/$validate")
def validate(kind: str, resource_id: str | None = None) -> Response:
    """Say whether a resource could be written; nothing is stored."""
    records = _records()
    question = read_question(kind, resource_id, request.args, read_body(request))
    return fhir_json(records.validate(question))


@blueprint.put(f"{_BASE}/<kind>/<resource_id>")
def update(kind: str, resource_id: str) -> Response:
    """Update, or create under an id of one's own; conditional with If-Match or If-None-Match."""
    records = _records()
    resource = _body_of(kind)
    if resource.get("id") != resource_id:
        raise FhirProblem(400, "value", "the resource's id must be that of the address")
    only_new = read_only_new(request.headers.get("If-None-Match"))
    version = read_version(request.headers.get("If-Match"))
    written = records.update(resource, version, only_new)
    return written_answer(request, written, hospital.current().settings.fhir_base)


@blueprint.post(_BASE)
def bundle() -> Response:
    """Transaction or batch."""
    return bundle_answer(request, _records().bundle(read_body(request)))


@blueprint.route(
    f"{_BASE}/<path:address>", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
)
def anything_else(address: str) -> Response:  # noqa: ARG001
    """Interactions and operations that are not offered."""
    require_access()
    raise FhirProblem(405, "not-supported", "this interaction is not offered; see /metadata")


def _body_of(kind: str) -> Resource:
    resource = read_body(request)
    if resource.get("resourceType") != kind:
        raise FhirProblem(400, "value", "the resource must be of the type that the address names")
    return resource


def _resource_answer(resource: Resource) -> Response:
    return fhir_json(resource, versioned=resource)


@blueprint.errorhandler(RecursionError)
def too_deep(_: RecursionError) -> Response:
    """JSON that is nested deeper than any resource."""
    return problem(FhirProblem(400, "structure", "the body is nested too deep"))


@blueprint.errorhandler(InternalServerError)
def broken(_: InternalServerError) -> Response:
    """An error of this server's own is an OperationOutcome too, and tells nothing else."""
    return problem(FhirProblem(500, "exception", "the hospital made a mistake"))


@blueprint.app_errorhandler(FhirProblem)
def problem(error: FhirProblem) -> Response:
    """Every refusal is an OperationOutcome."""
    document: dict[str, Any] = operation_outcome(error)
    response = Response(json.dumps(document), error.status, content_type="application/fhir+json")
    response.headers.update(error.headers)
    response.headers["Cache-Control"] = "no-store"
    return response
