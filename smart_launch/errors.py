"""The errors of the SMART client, one family.

::

    SmartError
    ├── RegistrationError       an EHR's entry breaks a rule
    ├── TransportError          no usable HTTP answer arrived
    ├── DiscoveryError          smart-configuration is missing or unusable
    ├── LaunchRefused           the authorization step ended without a code
    ├── TokenRejected           no tokens, or tokens that must not be used
    └── FhirError
        ├── FhirUnauthorized    401
        ├── FhirForbidden       403
        ├── FhirNotFound        404, 410
        ├── FhirConflict        409, 412
        ├── FhirRejected        400, 422 and other refusals, with the OperationOutcome
        └── FhirUnavailable     429, 5xx, time-outs, answers that are not FHIR

Every error has a short stable ``code`` and a ``sentence`` for the person at the
screen. Neither holds patient data, tokens or addresses with parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smart_launch.outcome import OutcomeIssue


class SmartError(Exception):
    """Base of everything that this package raises on purpose.

    Parameters
    ----------
    code : str
        Short and stable, for logs and tests, such as ``nonce_mismatch``.
    sentence : str
        One or two plain sentences for the user.
    retryable : bool
        Whether the same step may work later without anybody changing anything.
    """

    def __init__(self, code: str, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class RegistrationError(SmartError):
    """An EHR's entry in the registry breaks a rule."""


class TransportError(SmartError):
    """No usable HTTP answer arrived: refused address, time-out, too much, not JSON.

    The cause is not chained: the messages of requests and urllib3 quote the address
    with its parameters, and those may name a patient. Its class name is in `reason`.
    """

    def __init__(
        self, code: str, sentence: str, *, retryable: bool = False, reason: str = ""
    ) -> None:
        super().__init__(code, sentence, retryable=retryable)
        self.reason = reason


class DiscoveryError(SmartError):
    """The EHR's SMART configuration is missing or cannot be used."""


class LaunchRefused(SmartError):  # noqa: N818 - named as the event that the user sees
    """The authorization step ended without a usable code."""


class TokenRejected(SmartError):  # noqa: N818
    """No tokens were given, or they must not be used.

    `retryable` is true only when the token endpoint could not be reached: the code or
    the refresh token may then still be good.
    """


class FhirError(SmartError):
    """The FHIR server's answer cannot be used.

    Parameters
    ----------
    status : int, optional
        HTTP status, None when no answer came or nothing was sent.
    retry_after_s : float, optional
        What the server asked for with Retry-After, in seconds.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, sentence, retryable=retryable)
        self.status = status
        self.retry_after_s = retry_after_s


class FhirUnauthorized(FhirError):  # noqa: N818
    """401: the access token is missing, expired or revoked."""


class FhirForbidden(FhirError):  # noqa: N818
    """403: the token does not allow this."""


class FhirNotFound(FhirError):  # noqa: N818
    """404 or 410: there is no such resource, or not for this user."""


class FhirConflict(FhirError):  # noqa: N818
    """409 or 412: somebody else changed the resource, or several match."""


class FhirRejected(FhirError):  # noqa: N818
    """400, 422 or another refusal of what was sent.

    Attributes
    ----------
    issues : tuple of OutcomeIssue
        The server's OperationOutcome. Their ``diagnostics`` are the server's own words and
        may quote patient data: they are never part of ``str(error)``.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        status: int | None = None,
        issues: tuple[OutcomeIssue, ...] = (),
    ) -> None:
        super().__init__(code, sentence, status=status)
        self.issues = issues


class FhirUnavailable(FhirError):  # noqa: N818
    """429, 5xx, a time-out, or an answer that is not FHIR."""
