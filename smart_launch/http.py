"""The one place that opens sockets: limits, no redirects, bounded retries.

An answer is read whole, up to a size and a time limit, so that nothing above this file
meets half an answer. Retries belong to idempotent requests only (RFC 9110 9.2.2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from smart_launch.addresses import is_loopback, split_secure
from smart_launch.answer import Answer
from smart_launch.errors import TransportError

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# 500 is not among them: servers answer it to requests that will fail again.
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_CHUNK_BYTES = 64 * 1024
_POOLED_CONNECTIONS = 32

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class HttpLimits:
    """How long, how much and how often.

    Parameters
    ----------
    connect_s, read_s : float
        Seconds to connect, and to wait for the next bytes.
    total_s : float
        Seconds for the whole request, its retries and its body.
    response_bytes : int
        Largest body, after decompression.
    attempts : int
        Tries of an idempotent request, the first included.
    backoff_s : float
        Pause before the second try; doubles with each further one.
    retry_after_s : float
        Longest Retry-After that is waited for; beyond it the answer is handed back at once.
    """

    connect_s: float = 5.0
    read_s: float = 20.0
    total_s: float = 60.0
    response_bytes: int = 20 * 1024 * 1024
    attempts: int = 3
    backoff_s: float = 0.25
    retry_after_s: float = 5.0


class HardenedSession(requests.Session):
    """A requests session that keeps no cookies, follows no redirects, always times out.

    Also for libraries that bring their own requests but accept a session. Proxies and the
    CA bundle of the environment apply, except on loopback; credentials of a netrc file do
    not: requests would put them over the bearer token.
    """

    def __init__(self, limits: HttpLimits) -> None:
        super().__init__()
        self._timeout = (limits.connect_s, limits.read_s)
        # Several threads of one worker talk to the same server at once.
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=_POOLED_CONNECTIONS))
        self.cookies = _NoCookies()
        self.auth = _NoNetrc()

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Never go where a Location points: the token would go along (RFC 9700 4.12)."""
        del resp
        return None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send with the session's timeout, and without a proxy to this machine."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout
        if is_loopback(split_secure(request.url or "").hostname or ""):
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)


class Http:
    """Sends one request and reads the whole answer, within limits.

    Safe to share between threads.

    Parameters
    ----------
    limits : HttpLimits
        Times, sizes and number of tries.
    sleep : callable
        Waits the given number of seconds between tries.
    """

    def __init__(
        self, limits: HttpLimits | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.limits = limits or HttpLimits()
        self._sleep = sleep
        self._session = HardenedSession(self.limits)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: Parameters = (),
        content: bytes | Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """Send a request, repeating it only where that cannot do harm.

        Parameters
        ----------
        method, url : str
            The address must be https, or on loopback.
        headers : mapping, optional
            Request headers.
        parameters : sequence of (str, str)
            Query parameters, appended in this order.
        content : bytes or mapping, optional
            A body, or form fields.
        repeatable : bool, optional
            Overrides what the method says about being idempotent.

        Returns
        -------
        Answer
            Whatever its status; after the tries are used up, the last answer.

        Raises
        ------
        TransportError
            ``address_refused``, ``timed_out``, ``unreachable``, ``tls_failed``,
            ``cut_short``, ``too_large`` or ``redirected``.
        """
        split_secure(url)
        request = requests.Request(
            method, url, headers=dict(headers or {}), params=list(parameters), data=content
        )
        may_repeat = method in IDEMPOTENT_METHODS if repeatable is None else repeatable
        deadline = time.monotonic() + self.limits.total_s
        attempts = self.limits.attempts if may_repeat else 1
        for attempt in range(1, attempts):
            outcome = self._attempt(request, deadline)
            pause_s = self._pause_s(outcome, attempt, deadline)
            if pause_s is None:
                return _answer_or_raise(outcome)
            self._sleep(pause_s)
        return _answer_or_raise(self._attempt(request, deadline))

    def close(self) -> None:
        """Close pooled connections; the next request opens new ones."""
        self._session.close()

    def _pause_s(
        self, outcome: Answer | TransportError, attempt: int, deadline: float
    ) -> float | None:
        """How long to wait before the next try; None when there must be none."""
        pause_s = self.limits.backoff_s * 2 ** (attempt - 1)
        if isinstance(outcome, TransportError):
            if not outcome.retryable:
                return None
        else:
            if outcome.status not in _RETRIED_STATUSES:
                return None
            asked_s = outcome.retry_after_s
            # Coming back earlier than asked would be rude, waiting longer would hang the user.
            if asked_s is not None and asked_s > self.limits.retry_after_s:
                return None
            pause_s = max(pause_s, asked_s or 0.0)
        return pause_s if time.monotonic() + pause_s < deadline else None

    def _attempt(self, request: requests.Request, deadline: float) -> Answer | TransportError:
        try:
            prepared = self._session.prepare_request(request)
            settings = self._session.merge_environment_settings(prepared.url, {}, True, None, None)
            with self._session.send(prepared, **settings) as response:
                body = _read_body(response, self.limits, deadline)
        except TransportError as error:
            return error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return _as_transport_error(error)
        if 300 <= response.status_code < 400 and response.status_code != 304:
            return _failure("redirected")
        return Answer(response.status_code, CaseInsensitiveDict(response.headers), body)


def _read_body(response: requests.Response, limits: HttpLimits, deadline: float) -> bytes:
    # read1 returns what has arrived, so a body that drips in cannot outlast the deadline.
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > limits.response_bytes:
            raise _failure("too_large")
        if time.monotonic() > deadline:
            raise _failure("timed_out")
    return bytes(body)


_FAILURES = {
    "timed_out": ("The record system did not answer in time.", True),
    "unreachable": ("The record system cannot be reached.", True),
    "cut_short": ("The record system broke off in the middle of its answer.", True),
    "tls_failed": ("The record system's certificate could not be verified.", False),
    "too_large": ("The record system's answer is larger than this app accepts.", False),
    "redirected": ("The record system sent the request elsewhere, which is not followed.", False),
}


def _failure(code: str, reason: str = "") -> TransportError:
    sentence, retryable = _FAILURES[code]
    return TransportError(code, sentence, retryable=retryable, reason=reason)


def _as_transport_error(error: Exception) -> TransportError:
    reason = type(error).__name__
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    cut_short = (
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.DecodeError,
        requests.exceptions.ChunkedEncodingError,
    )
    if isinstance(error, timeouts):
        return _failure("timed_out", reason)
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return _failure("tls_failed", reason)
    if isinstance(error, cut_short):
        return _failure("cut_short", reason)
    return _failure("unreachable", reason)


def _answer_or_raise(outcome: Answer | TransportError) -> Answer:
    if isinstance(outcome, TransportError):
        raise outcome
    return outcome


class _NoNetrc(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _NoCookies(RequestsCookieJar):
    """One session serves many users: a cookie of one must never travel with another."""

    def extract_cookies(self, *arguments: object, **named: object) -> None:
        del arguments, named

    def set_cookie(self, *arguments: object, **named: object) -> None:
        del arguments, named
