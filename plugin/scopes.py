"""The scopes that Wetread asks for, each with its reason (SMART App Launch 2.2.0, Scopes)."""

from __future__ import annotations

from dataclasses import dataclass

from smart_launch.scopes import parse


@dataclass(frozen=True)
class ScopeReason:
    """One scope and why Wetread asks for it.

    Attributes
    ----------
    scope : str
        In SMART version 2 syntax.
    reason : str
        For the administrator who approves it.
    essential : bool
        Without it no reading is possible, and the launch is refused.
    """

    scope: str
    reason: str
    essential: bool = False


SCOPES: tuple[ScopeReason, ...] = (
    ScopeReason("launch", "Know the patient whose chart is open."),
    ScopeReason("openid", "Know that a signed-in user started the reading."),
    ScopeReason("fhirUser", "Name that user in the Provenance of the report."),
    ScopeReason("online_access", "Finish a reading that takes longer than one access token."),
    ScopeReason("patient/Patient.r", "Show and compare the patient's identity.", essential=True),
    ScopeReason("patient/ImagingStudy.rs", "Find the patient's studies.", essential=True),
    # Endpoint lies outside the patient compartment, so a patient scope cannot reach it.
    ScopeReason("user/Endpoint.r", "Find the image archive of a study."),
    ScopeReason("patient/DiagnosticReport.crus", "Look for earlier reports and write the new one."),
    ScopeReason("patient/Observation.crus", "Write the probability that the report refers to."),
    ScopeReason("patient/Provenance.c", "Record who launched the reading and what was used."),
)

DEFAULT_SCOPES: tuple[str, ...] = tuple(entry.scope for entry in SCOPES)
ESSENTIAL_SCOPES: tuple[str, ...] = tuple(entry.scope for entry in SCOPES if entry.essential)

# What unattended reading needs, and no more: it acts for no user, so that the EHR cannot narrow it
# to one chart (SMART App Launch 2.2.0, backend-services.html).
BACKEND_SCOPE_REASONS: tuple[ScopeReason, ...] = (
    ScopeReason("system/Patient.r", "Compare a new study's patient with its images."),
    ScopeReason("system/ImagingStudy.rs", "Find new studies."),
    ScopeReason("system/Endpoint.r", "Find the image archive of a study."),
    ScopeReason("system/DiagnosticReport.crus", "Look for earlier reports and write the new one."),
    ScopeReason("system/Observation.crus", "Write the probability that the report refers to."),
    ScopeReason("system/Task.crus", "Keep the order of the worklist."),
    ScopeReason("system/Subscription.crud", "Be told of new studies."),
)
BACKEND_SCOPES: tuple[str, ...] = tuple(entry.scope for entry in BACKEND_SCOPE_REASONS)


def is_system_scope(scope: str) -> bool:
    """Tell whether a scope is one of unattended reading."""
    parsed = parse(scope)
    return parsed is not None and parsed.level == "system"
