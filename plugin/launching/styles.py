"""The style that an EHR names with a launch: fetched by the server, from that EHR only.

The address came with the tokens of one launch. It is called only where it lies at an origin that
this EHR has anyway (its FHIR server, its sign-in, its viewer), without any token, and for a few
seconds. What changes gets a new address (SMART App Launch 2.2.0, "styling"): answers may be kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from plugin.ehrs import Ehr
from smart_launch.addresses import origin
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.errors import SmartError, TransportError
from smart_launch.http import Http, HttpLimits
from smart_launch.style import Style, read_style

log = logging.getLogger("wetread.launch")

KEPT_SECONDS = 3600.0
FAILED_SECONDS = 60.0
MOST_KEPT = 64
# Of the web process's threads, so many at most fetch styles; others wait a little for them.
MOST_WAITING = 2
PATIENCE_SECONDS = 1.0
LIMITS = HttpLimits(
    connect_s=2.0, read_s=3.0, total_s=3.0, response_bytes=64 * 1024, attempts=1
)  # fmt: skip


class Styles:
    """Fetches and keeps styles; safe to share between threads.

    Parameters
    ----------
    configurations : ConfigurationCache
        Where each EHR signs its users in.
    http : Http, optional
        Sends the requests.
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(
        self,
        configurations: ConfigurationCache,
        http: Http | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configurations, self._http, self._clock = configurations, http or Http(LIMITS), clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, Style]] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def get(self, ehr: Ehr, address: str) -> Style:
        """Give the style at an address; an empty one when it may not or cannot be had.

        A page looks well without it: so nothing is raised.
        """
        found = self._fresh(ehr, address)
        if found is not None:
            return found
        if not self._waiting.acquire(timeout=PATIENCE_SECONDS):
            return Style()
        try:
            # Somebody else may have fetched it while this one waited.
            found = self._fresh(ehr, address)
            return self._keep(ehr, address, self._fetch(ehr, address)) if found is None else found
        finally:
            self._waiting.release()

    def _fresh(self, ehr: Ehr, address: str) -> Style | None:
        with self._lock:
            until, found = self._kept.get((ehr.id, address), (0.0, None))
        return found if self._clock() < until else None

    def _keep(self, ehr: Ehr, address: str, fetched: Style | None) -> Style:
        seconds = FAILED_SECONDS if fetched is None else KEPT_SECONDS
        found = fetched or Style()
        with self._lock:
            self._kept[ehr.id, address] = (self._clock() + seconds, found)
            self._kept.move_to_end((ehr.id, address))
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def _fetch(self, ehr: Ehr, address: str) -> Style | None:
        if not self._may_be_called(ehr, address):
            log.warning("style_refused", extra={"ehr": ehr.id})
            return None
        try:
            answer = self._http.send("GET", address, headers={"Accept": "application/json"})
            if answer.status == 200:
                return read_style(answer.json_object())
        except TransportError as error:
            log.info("style_failed", extra={"ehr": ehr.id, "code": error.code})
            return None
        log.info("style_failed", extra={"ehr": ehr.id, "code": str(answer.status)})
        return None

    def _may_be_called(self, ehr: Ehr, address: str) -> bool:
        known = [ehr.issuer, *ehr.frame_ancestors]
        try:
            configuration = self._configurations.get(ehr.issuer)
        except SmartError:
            pass  # then only what is registered counts
        else:
            known += [configuration.token_endpoint, configuration.authorization_endpoint or ""]
        wanted = _origin_or_none(address)
        return wanted is not None and wanted in {_origin_or_none(one) for one in known}


def _origin_or_none(address: str) -> tuple[str, str, int] | None:
    try:
        return origin(address)
    except TransportError:
        return None
