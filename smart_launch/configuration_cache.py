"""SMART configurations, kept for some minutes (SMART App Launch 2.2.0, conformance.html)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from smart_launch.discovery import SmartConfiguration, fetch_configuration
from smart_launch.errors import DiscoveryError
from smart_launch.http import Http


class ConfigurationCache:
    """Asks each EHR once, however many launches want to know; safe to share between threads.

    Whoever comes while the question is under way waits for the same answer, or the same failure.
    Only a few may wait: an EHR that does not answer must not hold every thread of a server.

    Parameters
    ----------
    http : Http
        Sends the requests; its limits are how long anybody waits.
    lifetime_s : float
        How long an answer is used without asking again. A failure is not kept.
    most_waiting : int
        Callers that may wait for the first answer, for each EHR.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        http: Http,
        lifetime_s: float = 300.0,
        *,
        most_waiting: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._lifetime_s = http, lifetime_s
        self._most_waiting, self._clock = most_waiting, clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, SmartConfiguration]] = {}
        self._under_way: dict[str, Future[SmartConfiguration]] = {}
        self._waiters: dict[str, int] = {}

    def get(self, fhir_base: str) -> SmartConfiguration:
        """Give the configuration of a *registered* EHR.

        Raises
        ------
        DiscoveryError
            As `fetch_configuration`; ``busy``, retryable, when too many wait for it already.
        """
        with self._lock:
            asked_s, found = self._kept.get(fhir_base, (float("-inf"), None))
            if found is not None and self._clock() - asked_s < self._lifetime_s:
                return found
            under_way = self._under_way.get(fhir_base)
            if under_way is None:
                mine = self._under_way[fhir_base] = Future()
            elif found is not None:
                return found  # Somebody is asking again; until then the old answer serves.
            else:
                self._join(fhir_base)
        if under_way is None:
            return self._fetch(fhir_base, mine)
        return self._wait(fhir_base, under_way)

    def forget(self, fhir_base: str) -> None:
        """Ask anew at the next call: what was kept has proved wrong."""
        with self._lock:
            self._kept.pop(fhir_base, None)

    def waiting(self, fhir_base: str) -> int:
        """Count who waits for an answer under way."""
        with self._lock:
            return self._waiters.get(fhir_base, 0)

    def _join(self, fhir_base: str) -> None:
        waiters = self._waiters.get(fhir_base, 0)
        if waiters >= self._most_waiting:
            raise DiscoveryError(
                "busy", "The record system answers slowly at the moment.", retryable=True
            )
        self._waiters[fhir_base] = waiters + 1

    def _wait(self, fhir_base: str, under_way: Future[SmartConfiguration]) -> SmartConfiguration:
        try:
            return under_way.result()
        finally:
            with self._lock:
                self._waiters[fhir_base] -= 1

    def _fetch(self, fhir_base: str, mine: Future[SmartConfiguration]) -> SmartConfiguration:
        try:
            found = fetch_configuration(self._http, fhir_base)
        except BaseException as error:
            with self._lock:
                del self._under_way[fhir_base]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._under_way[fhir_base]
            self._kept[fhir_base] = (self._clock(), found)
        mine.set_result(found)
        return found
