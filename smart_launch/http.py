"""The one place that opens sockets: limits, no redirects, bounded retries.

An answer is read whole, up to a size and a time limit, so that nothing above this file
meets half an answer; only `stream` gives pieces of what is too large for memory, and says when
they are not all. Retries belong to idempotent requests only (RFC 9110 9.2.2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import requests
from requests.structures import CaseInsensitiveDict

from smart_launch.addresses import split_secure
from smart_launch.answer import Answer, AnswerHead, StreamedAnswer
from smart_launch.errors import TransportError
from smart_launch.http_failures import TROUBLE, as_transport_error, failure
from smart_launch.http_limits import HttpLimits
from smart_launch.http_session import HardenedSession

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# 500 is not among them: servers answer it to requests that will fail again.
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_CHUNK_BYTES = 64 * 1024
# Measured with 100 MB from this machine: smaller pieces cost calls, larger ones leave the cache.
_STREAM_CHUNK_BYTES = 128 * 1024

__all__ = ["IDEMPOTENT_METHODS", "HardenedSession", "Http", "HttpLimits", "Parameters"]

Parameters = Sequence[tuple[str, str]]
_Head = TypeVar("_Head", bound=AnswerHead)


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
        return self._repeated(lambda: self._attempt(request, deadline), attempts, deadline)

    @contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, most_bytes: int
    ) -> Iterator[StreamedAnswer]:
        """GET what is too large to be held in memory.

        Repeated like any GET until an answer begins; a body that breaks off is not asked for again.

        Parameters
        ----------
        most_bytes : int
            Largest body, after decompression; in place of ``response_bytes``.

        Yields
        ------
        StreamedAnswer
            Whatever its status. Its connection is given up at the end of the block.

        Raises
        ------
        TransportError
            As `send`; once the body has begun, from its pieces.
        """
        split_secure(url)
        request = requests.Request("GET", url, headers=dict(headers or {}))
        deadline = time.monotonic() + self.limits.total_s
        answer = self._repeated(
            lambda: self._begin(request, most_bytes), self.limits.attempts, deadline
        )
        try:
            yield answer
        finally:
            answer.close()

    def close(self) -> None:
        """Close pooled connections; the next request opens new ones."""
        self._session.close()

    def _repeated(
        self, once: Callable[[], _Head | TransportError], attempts: int, deadline: float
    ) -> _Head:
        for attempt in range(1, attempts):
            outcome = once()
            pause_s = self._pause_s(outcome, attempt, deadline)
            if pause_s is None:
                return _answer_or_raise(outcome)
            if isinstance(outcome, StreamedAnswer):
                outcome.close()
            self._sleep(pause_s)
        return _answer_or_raise(once())

    def _pause_s(
        self, outcome: AnswerHead | TransportError, attempt: int, deadline: float
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
            with self._sent(request) as response:
                pieces = _pieces(
                    response, _CHUNK_BYTES, self.limits.response_bytes, lambda _: deadline
                )
                body = b"".join(pieces)
        except TransportError as error:
            return error
        except TROUBLE as error:
            return as_transport_error(error)
        if _is_redirect(response):
            return failure("redirected")
        return Answer(response.status_code, CaseInsensitiveDict(response.headers), body)

    def _begin(self, request: requests.Request, most_bytes: int) -> StreamedAnswer | TransportError:
        """Send, and read no more than the headers."""
        limits, started = self.limits, time.monotonic()

        def deadline(received: int) -> float:
            return started + limits.total_s + received / limits.stream_bytes_per_s

        try:
            response = self._sent(request)
        except TransportError as error:
            return error
        except TROUBLE as error:
            return as_transport_error(error)
        if _is_redirect(response):
            response.close()
            return failure("redirected")
        pieces = _pieces(response, _STREAM_CHUNK_BYTES, most_bytes, deadline)
        headers = CaseInsensitiveDict(response.headers)
        raw = response.raw
        is_framed = raw.chunked or raw.length_remaining is not None
        return StreamedAnswer(response.status_code, headers, pieces, response.close, is_framed)

    def _sent(self, request: requests.Request) -> requests.Response:
        prepared = self._session.prepare_request(request)
        settings = self._session.merge_environment_settings(prepared.url, {}, True, None, None)
        return self._session.send(prepared, **settings)


def _is_redirect(response: requests.Response) -> bool:
    return 300 <= response.status_code < 400 and response.status_code != 304


def _pieces(
    response: requests.Response,
    chunk_bytes: int,
    most_bytes: int,
    deadline: Callable[[int], float],
) -> Iterator[bytes]:
    """Give the body; `deadline` tells how long it may take for so many bytes."""
    received = 0
    try:
        # read1 returns what has arrived, so a body that drips in cannot outlast the deadline.
        while chunk := response.raw.read1(chunk_bytes, decode_content=True):
            received += len(chunk)
            if received > most_bytes:
                raise failure("too_large")
            if time.monotonic() > deadline(received):
                raise failure("timed_out")
            yield chunk
    except TROUBLE as error:
        raise as_transport_error(error) from None


def _answer_or_raise(outcome: _Head | TransportError) -> _Head:
    if isinstance(outcome, TransportError):
        raise outcome
    return outcome
