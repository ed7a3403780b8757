"""The body of a call: how large it may be, how many large ones at a time, and until when."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from plugin.cds.errors import CallInvalid, CallTooLarge, CallTooSlow, TooManyCalls

# Two decades of reports with their narratives; as much as one search may bring.
LARGEST_BODY = 4 * 1024**2
# Read, a body takes some twenty times its size in the worst case: few large ones at a time.
LARGE_BODY = 256 * 1024
LARGE_OF_ONE_EHR = 2
LARGE_AT_ONCE = 4
# Where the servers that can run the application give the connection.
_CONNECTIONS = ("gunicorn.socket", "werkzeug.socket")


class Places:
    """The places of large bodies, taken at once or not at all; safe to share between threads.

    Parameters
    ----------
    each : int
        Of one EHR.
    total : int
        Of all EHRs.
    """

    def __init__(self, each: int = LARGE_OF_ONE_EHR, total: int = LARGE_AT_ONCE) -> None:
        self._each, self._total = each, total
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def needed_by(self, request: Request, whose: str) -> AbstractContextManager[None]:
        """Give the place that a body needs while it is read and parsed, or that it needs none.

        One that does not say how large it is needs a place; one that says that it is too large
        is not read.
        """
        length = request.content_length
        small = length is not None and (length <= LARGE_BODY or length > LARGEST_BODY)
        return nullcontext() if small else self.one(whose)

    @contextmanager
    def one(self, whose: str) -> Iterator[None]:
        """Take a place of an EHR.

        Raises
        ------
        TooManyCalls
            As many as may be are taken.
        """
        with self._lock:
            if self._taken[whose] >= self._each or self._taken.total() >= self._total:
                raise TooManyCalls("Large charts are read a few at a time; others are being read.")
            self._taken[whose] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[whose] -= 1


def read_body(request: Request, deadline: float) -> bytes:
    """Read the body of a call.

    Parameters
    ----------
    deadline : float
        Of `time.monotonic`: what has not arrived then is not waited for.

    Raises
    ------
    CallInvalid
        ``not_json``, by its type.
    CallTooLarge, CallTooSlow
    """
    if request.mimetype != "application/json":
        raise CallInvalid("A call must be sent as JSON.", code="not_json", status=415)
    request.max_content_length = LARGEST_BODY
    with _ending(request, deadline) as over:
        try:
            body = _arriving(request, over)
        except RequestEntityTooLarge as error:
            raise CallTooLarge(
                f"A call must not be larger than {LARGEST_BODY // 1024**2} MiB; this one is."
            ) from error
        except Exception:
            # Servers raise this and that for a body that ends early.
            if not over.is_set():
                raise
            body = b""
    if over.is_set() and len(body) != request.content_length:
        raise CallTooSlow("A call must arrive within the time for its answer; this one did not.")
    return body


def _arriving(request: Request, over: threading.Event) -> bytes:
    body, length = bytearray(), request.content_length
    while piece := request.stream.read(LARGE_BODY):
        body += piece
        if len(body) == length or over.is_set():
            break
    return bytes(body)


@contextmanager
def _ending(request: Request, deadline: float) -> Iterator[threading.Event]:
    """Have the reading end at the deadline, even while it waits for a byte.

    Servers wait for a body without an end. Nothing of theirs can be asked to stop, but their
    connection can be closed for reading: they then see its end, and the answer can still be sent.
    """
    over = threading.Event()
    connections = [request.environ[name] for name in _CONNECTIONS if name in request.environ]

    def end() -> None:
        over.set()
        for connection in connections:
            with suppress(OSError):  # the other side has gone
                connection.shutdown(socket.SHUT_RD)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
