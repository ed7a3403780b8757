"""How often one EHR may call: a chart is opened by a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets each caller go on at a steady pace, with room for the rush of a morning.

    Parameters
    ----------
    per_second : float
        Calls of one EHR in the long run.
    burst : int
        Calls at once.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        per_second: float = 50.0,
        burst: int = 150,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, caller: str) -> bool:
        """Tell whether this caller may be answered now, and count the call."""
        with self._lock:
            now = self._clock()
            left, since = self._left.get(caller, (float(self._burst), now))
            left = min(self._burst, left + (now - since) * self._per_second)
            allowed = left >= 1
            self._left[caller] = (left - allowed, now)
            return allowed
