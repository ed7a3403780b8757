"""OperationOutcome: how FHIR says what went wrong (R4, OperationOutcome)."""

from __future__ import annotations

from typing import Any

from sandbox.errors import FhirProblem


def operation_outcome(error: FhirProblem, severity: str = "error") -> dict[str, Any]:
    """The OperationOutcome of a refusal."""
    issue: dict[str, Any] = {"severity": severity, "code": error.code, "diagnostics": error.text}
    if error.expressions:
        issue["expression"] = list(error.expressions)
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def no_issues() -> dict[str, Any]:
    """The OperationOutcome of a validation that found nothing wrong (R4: it has an issue too)."""
    issue = {"severity": "information", "code": "informational", "diagnostics": "No issues"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
