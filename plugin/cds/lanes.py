"""Each EHR's own share of the service: what one does not answer holds nothing of another's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Found = TypeVar("_Found")


class Lane:
    """One EHR's threads, and how many of its calls may be under way on them.

    Parameters
    ----------
    calls : int
        Calls at the same time.
    errands : int
        Requests that one call sends side by side, at most.
    """

    def __init__(self, calls: int, errands: int) -> None:
        self._seats = threading.BoundedSemaphore(calls)
        self._threads = ThreadPoolExecutor(calls * errands, "cds-errand")

    def start(self, works: Sequence[Callable[[], _Found]]) -> list[Future[_Found]] | None:
        """Start a call's errands; None where too many calls are under way.

        A call counts until its last errand has ended: its answer may have been given long before.
        """
        if not self._seats.acquire(blocking=False):
            return None
        others = threading.Semaphore(len(works) - 1)

        def end(_: Future[_Found]) -> None:
            if not others.acquire(blocking=False):  # this was the last one
                self._seats.release()

        errands = [self._threads.submit(work) for work in works]
        for errand in errands:
            errand.add_done_callback(end)
        return errands


class Lanes:
    """The lanes of all EHRs, each made when it is first needed.

    Parameters
    ----------
    calls, errands : int
        Of each lane.
    """

    def __init__(self, calls: int, errands: int) -> None:
        self._calls, self._errands = calls, errands
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}

    def of(self, whose: str) -> Lane:
        """Give an EHR's lane; `whose` is registered, so that there are few."""
        with self._lock:
            if whose not in self._lanes:
                self._lanes[whose] = Lane(self._calls, self._errands)
            return self._lanes[whose]
