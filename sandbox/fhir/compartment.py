"""Whose record a resource is (FHIR R4, CompartmentDefinition/patient)."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.fhir.elements import local_reference, values_at
from sandbox.fhir_backend import Resource

# The element that puts a resource into a patient's compartment. Types that are not listed belong
# to no patient: a patient/ scope never reaches them (hence user/Endpoint.r).
OWNER = {
    "Condition": "subject",
    "Device": "patient",
    "DiagnosticReport": "subject",
    "Encounter": "subject",
    "ImagingStudy": "subject",
    "Observation": "subject",
    "Provenance": "target",
    "ServiceRequest": "subject",
    "Task": "for",
}
PATIENT_TYPES = frozenset({"Patient", *OWNER})

Resolve = Callable[[str], Resource | None]


def patients_of(resource: Resource, resolve: Resolve) -> frozenset[str]:
    """Ids of the patients whose compartment holds a resource.

    Parameters
    ----------
    resource : dict
    resolve : callable
        Finds the resource behind a literal reference; needed for a Provenance, which belongs to
        a patient only when *all* its targets do.

    Returns
    -------
    frozenset of str
        Empty when it belongs to no patient.
    """
    kind = resource.get("resourceType", "")
    if kind == "Patient":
        own_id = resource.get("id")
        return frozenset({own_id}) if isinstance(own_id, str) else frozenset()
    owners = [_owner(value.get("reference"), resolve) for value in _owner_values(resource, kind)]
    if not owners:
        return frozenset()
    return frozenset.intersection(*owners)


def _owner_values(resource: Resource, kind: str) -> list[Resource]:
    path = OWNER.get(kind)
    return [value for value in values_at(resource, path) if isinstance(value, dict)] if path else []


def _owner(reference: object, resolve: Resolve) -> frozenset[str]:
    local = local_reference(reference)
    if local is not None and local[0] == "Patient":
        return frozenset({local[1]})
    found = resolve(reference) if isinstance(reference, str) else None
    # A Provenance of a Provenance would let this run in circles; it belongs to nobody.
    if found is None or found.get("resourceType") == "Provenance":
        return frozenset()
    return patients_of(found, resolve)
