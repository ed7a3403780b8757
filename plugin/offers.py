"""What records were found not to offer, so that each reading does not find it out again.

FHIR leaves much to the server: batches, `_include`, conditions on a new entry. What is refused once
is done in another way for a while; then it is tried again, since servers are updated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

Offer = Literal[
    "batch",
    "elements",
    "include",
    "only_new",
    "provenance_in_transaction",
    "read_in_transaction",
    "version_zero",
]

TRY_AGAIN_SECONDS = 3600.0


class Offers:
    """What the EHRs' records refused lately; safe to share between threads.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[tuple[str, Offer], float] = {}
        self._lock = threading.Lock()

    def has(self, base_url: str, offer: Offer) -> bool:
        """Tell whether it is worth trying."""
        with self._lock:
            at = self._refused.get((base_url, offer))
        return at is None or self._clock() - at > TRY_AGAIN_SECONDS

    def refused(self, base_url: str, offer: Offer) -> None:
        """Remember that the record at this address refused it."""
        with self._lock:
            self._refused[(base_url, offer)] = self._clock()
