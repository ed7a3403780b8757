"""OperationOutcome: how FHIR says what went wrong (R4, OperationOutcome)."""

from __future__ import annotations

from typing import Any

from sandbox.errors import FhirProblem


def operation_outcome(error: FhirProblem) -> dict[str, Any]:
    """The OperationOutcome of a refusal."""
    issue: dict[str, Any] = {"severity": "error", "code": error.code, "diagnostics": error.text}
    if error.expressions:
        issue["expression"] = list(error.expressions)
    return {"resourceType": "OperationOutcome", "issue": [issue]}
