"""The launch context as JSON in its row, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from smart_launch.context import FhirContextItem, LaunchContext
from smart_launch.fhir_user import FhirUser


def dump_context(context: LaunchContext) -> dict[str, Any]:
    """Give the context as plain JSON values."""
    return asdict(context)


def load_context(stored: dict[str, Any]) -> LaunchContext:
    """Read what `dump_context` gave."""
    user = stored["user"]
    items = tuple(_load_item(item) for item in stored["fhir_context"])
    values = stored | {"fhir_context": items, "user": FhirUser(**user) if user else None}
    return LaunchContext(**values)


def _load_item(stored: dict[str, Any]) -> FhirContextItem:
    identifier = stored["identifier"]
    return FhirContextItem(**stored | {"identifier": tuple(identifier) if identifier else None})
