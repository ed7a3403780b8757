"""What went wrong in a job, in words for the clinician, and whether trying again may help."""

from __future__ import annotations

from inference.errors import ImageTooLarge, InferenceError
from plugin.errors import LaunchExpired, PluginError, Problem
from smart_launch.errors import (
    FhirConflict,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    FhirUnauthorized,
    FhirUnavailable,
    SmartError,
    TransportError,
)

RETRY = "Try again in a minute; if it happens again, tell your Wetread administrator."
# Class of the error -> code, title, next step; the first that fits. The text is the error's own.
FHIR_WORDS: tuple[tuple[type[SmartError], str, str, str], ...] = (
    (
        FhirUnauthorized,
        "launch_expired",
        "Your sign-in for Wetread has run out",
        "Open Wetread again from the patient's chart.",
    ),
    (
        FhirForbidden,
        "record_forbidden",
        "The hospital's record refused",
        "Open Wetread again and allow the access that it asks for, or ask your administrator.",
    ),
    (
        FhirNotFound,
        "record_not_found",
        "The hospital's record does not have this",
        "Open the chart again: the study may have been moved or removed.",
    ),
    (
        FhirConflict,
        "record_changed",
        "Somebody else changed the record at the same moment",
        "Look at the chart's reports, then try again.",
    ),
    (
        FhirRejected,
        "record_rejected",
        "The hospital's record did not accept this",
        "Tell your Wetread administrator; the log names the reason's code.",
    ),
    (FhirUnavailable, "record_unavailable", "The hospital's record does not answer", RETRY),
    (TransportError, "record_unavailable", "The hospital's record does not answer", RETRY),
)
# A server that is being restarted: nobody listens, or what stands in front of it says so. Not one
# that hangs (504, a time-out): every further try would take as long.
AWAY_CODE, AWAY_STATUSES = "unreachable", (502, 503)
INTERNAL = Problem(
    "internal",
    "Wetread made a mistake",
    "Something happened that Wetread was not made for.",
    "Tell your Wetread administrator; the log has the place of the mistake.",
)
GAVE_UP = Problem(
    "gave_up",
    "This could not be finished",
    "It was tried several times and broke off each time.",
    "Tell your Wetread administrator before you try again.",
)


def problem_from(error: BaseException) -> Problem:
    """Put an error of any family into words; what nobody expected says so without details."""
    if isinstance(error, PluginError):
        return error.problem()
    if isinstance(error, ImageTooLarge):
        return Problem(
            error.code,
            "An image of this study is too large for Wetread",
            error.sentence,
            "Look at it in the imaging department's own viewer; sending it again does not help.",
        )
    if isinstance(error, InferenceError):
        return Problem(
            error.code,
            "An image of this study cannot be read",
            error.sentence,
            "Look at the image in the imaging department's own viewer, or have it sent again.",
        )
    if isinstance(error, SmartError):
        return _record_problem(error)
    return INTERNAL


def may_pass(error: BaseException) -> bool:
    """Tell whether the same step may work later without anybody changing anything."""
    if isinstance(error, LaunchExpired):
        return False
    return bool(getattr(error, "retryable", False))


def is_away(error: BaseException) -> bool:
    """Tell whether a hospital system seems to be restarting."""
    code, status = getattr(error, "code", None), getattr(error, "status", None)
    return isinstance(error, SmartError) and (code == AWAY_CODE or status in AWAY_STATUSES)


def reason_of(error: BaseException) -> str:
    """Give the short code for the log; of a record's refusal its issue codes as well.

    Their texts are the server's own words and may name the patient.
    """
    issues = error.issues if isinstance(error, FhirRejected) else ()
    return " ".join((str(getattr(error, "code", "")), *(issue.code for issue in issues)))


def _record_problem(error: SmartError) -> Problem:
    for kind, code, title, step in FHIR_WORDS:
        if isinstance(error, kind):
            return Problem(code, title, error.sentence, step)
    return Problem(error.code, "The hospital system did not answer", error.sentence, RETRY)
