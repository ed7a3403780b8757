"""FHIR R4 of the demo hospital: routes, guard, and two stores behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

if TYPE_CHECKING:
    from sandbox.fhir_backend import FhirBackend
    from sandbox.settings import SandboxSettings

blueprint = Blueprint("fhir", __name__)


def open_backend(settings: SandboxSettings) -> FhirBackend:
    """Open the built-in store, or the gateway to a real server, with the demo records in it."""
    from sandbox.demo_records import load_demo_records
    from sandbox.fhir.gateway import GatewayRecords
    from sandbox.fhir.sqlite import SqliteRecords

    backend: FhirBackend
    if settings.fhir_url:
        backend = GatewayRecords(settings.fhir_url, settings.fhir_base, settings.page_size)
    else:
        path = settings.data_dir / "records.sqlite3"
        backend = SqliteRecords(path, settings.fhir_base, settings.page_size)
    if settings.demo_records:
        load_demo_records(backend, settings.base_url)
    return backend


from sandbox.fhir import routes  # noqa: E402  (the routes hang themselves on the blueprint)

__all__ = ["blueprint", "open_backend", "routes"]
