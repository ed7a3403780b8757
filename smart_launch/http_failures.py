"""What goes wrong on the way to an answer, as one family of errors.

The cause is never chained: the messages of requests and urllib3 quote the address.
"""

from __future__ import annotations

import requests
import urllib3

from smart_launch.errors import TransportError

TROUBLE = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_FAILURES = {
    "timed_out": ("The record system did not answer in time.", True),
    "unreachable": ("The record system cannot be reached.", True),
    "cut_short": ("The record system broke off in the middle of its answer.", True),
    "tls_failed": ("The record system's certificate could not be verified.", False),
    "too_large": ("The record system's answer is larger than this app accepts.", False),
    "redirected": ("The record system sent the request elsewhere, which is not followed.", False),
}


def failure(code: str, reason: str = "") -> TransportError:
    """Give the error of a code of `_FAILURES`."""
    sentence, retryable = _FAILURES[code]
    return TransportError(code, sentence, retryable=retryable, reason=reason)


def as_transport_error(error: Exception) -> TransportError:
    """Give the error for what requests, urllib3 or the system raised (`TROUBLE`)."""
    reason = type(error).__name__
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    cut_short = (
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.DecodeError,
        requests.exceptions.ChunkedEncodingError,
    )
    if isinstance(error, timeouts):
        return failure("timed_out", reason)
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return failure("tls_failed", reason)
    if isinstance(error, cut_short):
        return failure("cut_short", reason)
    return failure("unreachable", reason)
