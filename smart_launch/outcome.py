"""FHIR R4 OperationOutcome (http.html#summary, operationoutcome.html) as readable text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Value set issue-type, in words. Only coded parts become sentences: diagnostics are free text
# and quote values, names and identifiers.
_WORDS = {
    "invalid": "the content is not valid",
    "structure": "the structure is not valid",
    "required": "a required part is missing",
    "value": "a value is not allowed",
    "invariant": "a rule of the data format is broken",
    "security": "a security rule stands against it",
    "login": "the sign-in has ended",
    "unknown": "the user is not known",
    "expired": "the access has expired",
    "forbidden": "it is not allowed",
    "suppressed": "some of it was left out",
    "processing": "it could not be processed",
    "not-supported": "it is not supported",
    "duplicate": "it exists already",
    "multiple-matches": "several entries match",
    "not-found": "something that it refers to does not exist",
    "deleted": "something that it refers to was deleted",
    "too-long": "it is too long",
    "code-invalid": "a code is not known",
    "extension": "an extension is not accepted",
    "too-costly": "it would cost too much",
    "business-rule": "a local rule stands against it",
    "conflict": "somebody else changed it meanwhile",
    "transient": "it failed for a moment",
    "lock-error": "the entry is locked",
    "no-store": "nothing can be stored at the moment",
    "exception": "an internal error happened",
    "timeout": "it took too long",
    "incomplete": "not everything was available",
    "throttled": "too many requests were sent",
}
_SEVERITIES = ("fatal", "error", "warning", "information")
_PATH = re.compile(r"[A-Za-z]{1,64}(?:\.[A-Za-z]{1,64}(?:\[[0-9x]{1,5}\])?){0,12}")
_MOST_ISSUES = 20


@dataclass(frozen=True)
class OutcomeIssue:
    """One issue of an OperationOutcome.

    Parameters
    ----------
    severity : str
        fatal, error, warning or information.
    code : str
        Value set issue-type.
    paths : tuple of str
        Elements, such as ``Observation.value``; free of values.
    diagnostics : str
        The server's own words: may quote patient data, for an administrator's eyes only.
    """

    severity: str
    code: str
    paths: tuple[str, ...] = ()
    diagnostics: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """The issue in words, without the server's free text."""
        words = _WORDS.get(self.code, "it was refused")
        return f"{words} ({', '.join(self.paths)})" if self.paths else words


def read_outcome(document: Mapping[str, Any]) -> tuple[OutcomeIssue, ...]:
    """Read the issues of an OperationOutcome; none for any other document."""
    issues = document.get("issue")
    if document.get("resourceType") != "OperationOutcome" or not isinstance(issues, list):
        return ()
    return tuple(_issue(issue) for issue in issues[:_MOST_ISSUES] if isinstance(issue, dict))


def describe(issues: tuple[OutcomeIssue, ...]) -> str:
    """Join the worst issues into one phrase; empty for none."""
    worst = [issue for issue in issues if issue.severity in ("fatal", "error")] or issues
    return "; ".join(dict.fromkeys(issue.text for issue in worst[:3]))


def _issue(issue: Mapping[str, Any]) -> OutcomeIssue:
    severity, code = issue.get("severity"), issue.get("code")
    listed = [issue.get(name) for name in ("expression", "location")]
    paths = (path for paths in listed if isinstance(paths, list) for path in paths)
    details = issue.get("details")
    texts = (issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None)
    return OutcomeIssue(
        severity=severity if severity in _SEVERITIES else "error",
        code=code if isinstance(code, str) and code in _WORDS else "processing",
        paths=tuple(dict.fromkeys(p for p in paths if isinstance(p, str) and _PATH.fullmatch(p))),
        diagnostics="; ".join(text for text in texts if isinstance(text, str)),
    )
