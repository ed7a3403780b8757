"""What the EHR's documents promise, against what this configuration needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plugin.checks.result import Result
from plugin.ehrs import Ehr
from smart_launch.discovery import SmartConfiguration

# SMART App Launch 2.2.0, conformance.html#capabilities
NEEDED_CAPABILITIES = ("launch-ehr", "context-ehr-patient", "permission-v2", "sso-openid-connect")
CLIENT_CAPABILITIES = {
    "public": "client-public",
    "secret": "client-confidential-symmetric",
    "private_key": "client-confidential-asymmetric",
}
# What each write mode asks of a server (FHIR R4, capabilitystatement.html).
NEEDED_TO_WRITE: Mapping[str, tuple[str, ...]] = {
    "transaction-put": ("update", "updateCreate"),
    "put": ("update", "updateCreate"),
    "create": ("create", "conditionalCreate"),
}
FLAGS = ("updateCreate", "conditionalCreate")
WRITTEN_TYPES = ("DiagnosticReport", "Observation")


def lacking(subject: str, ehr: Ehr, configuration: SmartConfiguration) -> Iterator[Result]:
    """List what the EHR's discovery document does not promise."""
    if configuration.authorization_endpoint is None:
        yield Result(
            "failure", subject, "authorization_endpoint", "it names no authorization endpoint",
            "Ask the EHR's administrator: no user can sign in without it.",
        )  # fmt: skip
    wanted = (*NEEDED_CAPABILITIES, CLIENT_CAPABILITIES[ehr.authentication])
    absent = [name for name in wanted if name not in configuration.capabilities]
    absent += [] if configuration.code_challenge_methods_supported else ["PKCE S256"]
    if absent:
        yield Result(
            "warning", subject, "capabilities", f"it does not promise {', '.join(absent)}",
            "Try a launch; if it fails, ask the EHR's administrator about these.",
        )  # fmt: skip
    yield from check_places(subject, configuration)
    yield from check_authentication(subject, ehr, configuration)
    yield from check_algorithm(subject, ehr, configuration)
    yield from check_backend_promises(subject, ehr, configuration)


def check_places(subject: str, configuration: SmartConfiguration) -> Iterator[Result]:
    """Name endpoints that get neither tokens nor our proof (docs/decisions/0109)."""
    for name in configuration.untrusted_endpoints:
        yield Result(
            "warning", subject, "endpoint_elsewhere",
            f"its {name} has another origin than its token endpoint: it is not used",
            "Ask the EHR's administrator whether this is meant; tokens end by themselves.",
        )  # fmt: skip


def check_authentication(
    subject: str, ehr: Ehr, configuration: SmartConfiguration
) -> Iterator[Result]:
    """Say where the EHR offers the safer proof (SMART App Launch 2.2.0, client-authentication)."""
    methods = configuration.token_endpoint_auth_methods_supported
    offered = CLIENT_CAPABILITIES["private_key"] in configuration.capabilities
    if ehr.authentication != "private_key" and (offered or "private_key_jwt" in methods):
        yield Result(
            "warning", subject, "authentication",
            f"it offers private_key, which is safer than {ehr.authentication}",
            'Register the key address there and set authentication = "private_key".',
        )  # fmt: skip


def check_algorithm(subject: str, ehr: Ehr, configuration: SmartConfiguration) -> Iterator[Result]:
    """Look whether the EHR takes signatures of the configured kind."""
    listed = configuration.token_endpoint_auth_signing_alg_values_supported
    signs = ehr.authentication == "private_key" or ehr.backend_client_id is not None
    if not signs or not listed or ehr.signing_algorithm in listed:
        return
    usable = [name for name in ("ES384", "RS384") if name in listed]
    yield Result(
        "failure", subject, "signing_algorithm",
        f"it takes signatures of {', '.join(listed)}, not of {ehr.signing_algorithm}",
        f'Set signing_algorithm = "{usable[0]}".' if usable
        else "Ask the EHR's administrator: SMART requires ES384 or RS384.",
    )  # fmt: skip


def check_backend_promises(
    subject: str, ehr: Ehr, configuration: SmartConfiguration
) -> Iterator[Result]:
    """Look whether unattended reading is offered, where it is configured."""
    grants = configuration.grant_types_supported
    if ehr.backend_client_id and grants and "client_credentials" not in grants:
        yield Result(
            "warning", subject, "backend_grant", "it does not list client_credentials",
            "Ask the EHR's administrator whether backend services are switched on.",
        )  # fmt: skip


def check_write_mode(subject: str, ehr: Ehr, statement: Mapping[str, Any]) -> Iterator[Result]:
    """Compare the write mode with the CapabilityStatement."""
    if ehr.write == "none" or not statement:
        return
    server = _server_part(statement)
    absent = [
        f"{name} of {kind}"
        for kind in WRITTEN_TYPES
        for name in NEEDED_TO_WRITE[ehr.write]
        if not _offers(server, kind, name)
    ]
    if ehr.write == "transaction-put" and "transaction" not in _codes(server.get("interaction")):
        absent.append("transaction")
    if not absent:
        yield Result("ok", subject, "write_mode", f'write = "{ehr.write}" fits what it promises')
        return
    fitting = [mode for mode in NEEDED_TO_WRITE if _fits(server, mode)]
    advice = f'Set write = "{fitting[0]}".' if fitting else 'Set write = "none", or ask for access.'
    text = f'for write = "{ehr.write}" it does not promise {", ".join(absent)}'
    yield Result("warning", subject, "write_mode", text, advice)


def _fits(server: Mapping[str, Any], mode: str) -> bool:
    if mode == "transaction-put" and "transaction" not in _codes(server.get("interaction")):
        return False
    pairs = [(kind, name) for kind in WRITTEN_TYPES for name in NEEDED_TO_WRITE[mode]]
    return all(_offers(server, kind, name) for kind, name in pairs)


def _offers(server: Mapping[str, Any], kind: str, name: str) -> bool:
    listed = server.get("resource")
    entries = listed if isinstance(listed, list) else []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type") == kind:
            # The flags are optional, and HAPI leaves updateCreate out: only a "no" counts.
            flag = entry.get(name) is not False
            return flag if name in FLAGS else name in _codes(entry.get("interaction"))
    return False


def _server_part(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    rest = statement.get("rest")
    entries = rest if isinstance(rest, list) else []
    parts = [entry for entry in entries if isinstance(entry, dict)]
    return next((entry for entry in parts if entry.get("mode") == "server"), {})


def _codes(interactions: Any) -> set[str]:
    entries = interactions if isinstance(interactions, list) else []
    return {str(entry.get("code")) for entry in entries if isinstance(entry, dict)}
