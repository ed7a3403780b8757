"""Which elements of a resource the cards are made from, and of what kind each must be. Pure.

What an EHR sends is taken over only as far as it is described here: nothing behind this file meets
a list where it expects an object.
"""

from __future__ import annotations

from typing import Any

Shape = Any
"""A type; a dict of names to shapes; or a list that holds the shape of each of its items."""

CODING: Shape = {"system": str, "code": str, "display": str}
CONCEPT: Shape = {"coding": [CODING], "text": str}
IDENTIFIER: Shape = {"type": CONCEPT, "system": str, "value": str}
REFERENCE: Shape = {"reference": str, "identifier": IDENTIFIER}

PATIENT: Shape = {
    "resourceType": str,
    "id": str,
    "identifier": [IDENTIFIER],
    "link": [{"other": REFERENCE, "type": str}],
}
STUDY: Shape = {
    "resourceType": str,
    "id": str,
    "identifier": [IDENTIFIER],
    "status": str,
    "modality": [CODING],
    "subject": REFERENCE,
    "basedOn": [REFERENCE],
    "started": str,
    "numberOfInstances": int,
    "procedureCode": [CONCEPT],
    "description": str,
    "series": [
        {
            "uid": str,
            "modality": CODING,
            "numberOfInstances": int,
            "bodySite": CODING,
            "instance": [{"uid": str}],
        }
    ],
}
REPORT: Shape = {
    "resourceType": str,
    "id": str,
    "identifier": [IDENTIFIER],
    "basedOn": [REFERENCE],
    "status": str,
    "category": [CONCEPT],
    "subject": REFERENCE,
    "imagingStudy": [REFERENCE],
    "conclusion": str,
}
SEARCHSET: Shape = {
    "resourceType": str,
    "type": str,
    "total": int,
    "link": [{"relation": str, "url": str}],
    "entry": [{"resource": dict, "search": {"mode": str}}],
}
OUTCOME: Shape = {"issue": [{"severity": str, "code": str}]}


class Misshapen(ValueError):  # noqa: N818 (named for what is wrong)
    """An element is of another kind than FHIR R4 says."""


def pick(value: object, shape: Shape) -> Any:
    """Copy what a shape describes; what it does not name is left out.

    Raises
    ------
    Misshapen
        Something that is there is of another kind.
    """
    if isinstance(shape, dict):
        parts = _require(value, dict)
        return {name: pick(parts[name], shape[name]) for name in shape if name in parts}
    if isinstance(shape, list):
        return [pick(item, shape[0]) for item in _require(value, list)]
    return _require(value, shape)


def _require(value: object, kind: type) -> Any:
    # A truth value is a number only to Python.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Misshapen(f"expected {kind.__name__}; got {type(value).__name__}")
    return value
