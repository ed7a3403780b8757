"""What a call of ``$validate`` asks (FHIR R4, Resource operation "validate")."""

from __future__ import annotations

from typing import Any, get_args

from werkzeug.datastructures import MultiDict

from sandbox.errors import FhirProblem
from sandbox.fhir_backend import Resource, ValidationMode, ValidationQuestion

_MODES = get_args(ValidationMode)


def read_question(
    kind: str, resource_id: str | None, query: MultiDict[str, str], body: Resource
) -> ValidationQuestion:
    """Take a call apart, whichever of its two forms it has.

    Parameters
    ----------
    kind : str
        Type in the address.
    resource_id : str or None
        Id in the address; then an update is meant.
    query : werkzeug.datastructures.MultiDict
        Parameters in the address.
    body : dict
        The resource itself, or Parameters that hold it.

    Raises
    ------
    FhirProblem
        400 for anything that is not a call of ``$validate`` for this type.
    """
    inside = _parameters(body) if body.get("resourceType") == "Parameters" else {"resource": body}
    asked = {**query.to_dict(), **inside}
    resource, mode = asked.pop("resource", None), asked.pop("mode", None)
    if asked.keys() - {"_format"} or any(len(values) > 1 for _, values in query.lists()):
        raise FhirProblem(400, "not-supported", "$validate takes resource and mode, each once")
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        text = "the resource must be of the type that the address names"
        raise FhirProblem(400, "value", text)
    if mode is not None and mode not in _MODES:
        raise FhirProblem(400, "not-supported", f"mode must be one of {', '.join(_MODES)}")
    _check_id(resource, resource_id, mode)
    return ValidationQuestion(resource, mode)


def _parameters(body: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {}
    entries = body.get("parameter", [])
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str):
            raise FhirProblem(400, "structure", "each parameter needs a name")
        if name in found:
            raise FhirProblem(400, "duplicate", "each parameter may come once")
        found[name] = entry.get("resource") or entry.get("valueCode")
    return found


def _check_id(resource: Resource, resource_id: str | None, mode: object) -> None:
    """As HAPI does: a create gets its id from the server, an update names it."""
    own_id = resource.get("id")
    if mode == "create" and (own_id is not None or resource_id is not None):
        raise FhirProblem(422, "value", "a create is validated without an id")
    if mode == "update" and not own_id:
        raise FhirProblem(422, "value", "an update is validated with the resource's id")
    if resource_id is not None and own_id != resource_id:
        raise FhirProblem(400, "value", "the resource's id must be that of the address")
