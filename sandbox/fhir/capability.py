"""CapabilityStatement (FHIR R4) with the SMART security extension."""

from __future__ import annotations

from typing import Any

from sandbox.fhir.search_parameters import PARAMETERS
from sandbox.settings import SandboxSettings

_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_VALIDATE = "http://hl7.org/fhir/OperationDefinition/Resource-validate"
# Fixed, because R4 asks for the date on which the statement last changed.
STATEMENT_DATE = "2026-11-22"


def capability_statement(settings: SandboxSettings) -> dict[str, Any]:
    """What this server offers, with the write profile that it plays."""
    resources = [_resource(kind, settings) for kind in sorted(PARAMETERS)]
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(settings),
        "resource": resources,
    }
    if settings.write_profile == "transaction-put":
        rest["interaction"] = [{"code": "transaction"}, {"code": "batch"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": STATEMENT_DATE,
        "kind": "instance",
        "software": {"name": "Demo hospital"},
        "implementation": {"description": "Demo hospital", "url": settings.fhir_base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [rest],
    }


def _security(settings: SandboxSettings) -> dict[str, Any]:
    addresses = {
        "authorize": f"{settings.base_url}/auth/authorize",
        "token": settings.token_url,
        "revoke": f"{settings.base_url}/auth/revoke",
        "introspect": f"{settings.base_url}/auth/introspect",
    }
    return {
        "extension": [
            {
                "url": _OAUTH,
                "extension": [{"url": k, "valueUri": v} for k, v in addresses.items()],
            }
        ],
        "service": [{"coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}]}],
    }


def _resource(kind: str, settings: SandboxSettings) -> dict[str, Any]:
    codes = ["read", "vread", "search-type"]
    if settings.write_profile != "none":
        codes += ["create", "update"]
    parameters = PARAMETERS[kind].values()
    includes = [f"{kind}:{p.name}" for p in parameters if p.kind == "reference" and p.targets]
    described: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": settings.write_profile in ("transaction-put", "put"),
        "conditionalCreate": settings.write_profile != "none",
        "operation": [{"name": "validate", "definition": _VALIDATE}],
        "searchParam": [{"name": p.name, "type": p.kind} for p in parameters],
    }
    return {**described, "searchInclude": includes} if includes else described
