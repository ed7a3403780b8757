"""From an HTTP answer of a FHIR server to a resource or an error (FHIR R4, http.html)."""

from __future__ import annotations

from typing import Any

from smart_launch.answer import Answer
from smart_launch.errors import (
    FhirConflict,
    FhirError,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    FhirUnauthorized,
    FhirUnavailable,
    TransportError,
)
from smart_launch.outcome import OutcomeIssue, describe, read_outcome

_UNAVAILABLE = frozenset({408, 425, 429})
_CONFLICTS = {
    409: ("conflict", "The entry was changed by somebody else meanwhile."),
    412: ("precondition_failed", "The entry was changed by somebody else, or several match."),
}


def resource_of(answer: Answer) -> dict[str, Any]:
    """Return the resource of a successful answer.

    Raises
    ------
    FhirUnavailable
        When the body is not a FHIR resource in JSON.
    """
    try:
        resource = answer.json_object()
    except TransportError as error:
        raise unavailable(error, answer.status) from error
    if not isinstance(resource.get("resourceType"), str):
        raise FhirUnavailable(
            "not_fhir", "The record system's answer is not a FHIR resource.", status=answer.status
        )
    return resource


def require_success(answer: Answer) -> None:
    """Raise the error that fits a status other than 2xx.

    Raises
    ------
    FhirError
        The subclass for the status, with a sentence free of patient data.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 401:
        raise FhirUnauthorized(
            "unauthorized", "The access to the record system has ended.", status=status
        )
    if status == 403:
        raise FhirForbidden(
            "forbidden", "The record system does not allow you this.", status=status
        )
    if status in (404, 410):
        raise FhirNotFound(
            "not_found", "The record system has no such entry, or not for you.", status=status
        )
    if status in _CONFLICTS:
        raise FhirConflict(*_CONFLICTS[status], status=status)
    if status >= 500 or status in _UNAVAILABLE:
        raise _busy(answer)
    raise _rejected(answer)


def unavailable(error: TransportError, status: int | None = None) -> FhirError:
    """Turn a failed transport into an error of the FHIR family."""
    return FhirUnavailable(error.code, error.sentence, status=status, retryable=error.retryable)


def _busy(answer: Answer) -> FhirUnavailable:
    code, sentence = "server_error", "The record system had an internal problem."
    if answer.status == 429:
        code, sentence = "too_many_requests", "The record system is receiving too many requests."
    elif answer.status in (502, 503, 504):
        code, sentence = "unavailable", "The record system is not available at the moment."
    return FhirUnavailable(
        code,
        sentence,
        status=answer.status,
        retryable=True,
        retry_after_s=answer.retry_after_s,
    )


def _rejected(answer: Answer) -> FhirRejected:
    issues = _issues(answer)
    reason = describe(issues)
    sentence = "The record system did not accept this" + (f": {reason}." if reason else ".")
    return FhirRejected("rejected", sentence, status=answer.status, issues=issues)


def _issues(answer: Answer) -> tuple[OutcomeIssue, ...]:
    try:
        return read_outcome(answer.json_object())
    except TransportError:
        return ()  # a refusal stays one, also when its body is a web page
