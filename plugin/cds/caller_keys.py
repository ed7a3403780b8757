"""The keys of the EHRs that may call: asked for at the registered address, kept for minutes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from plugin.cds.errors import CallerUnknown, KeysUnavailable
from smart_launch.discovery import fetch_json
from smart_launch.errors import DiscoveryError
from smart_launch.http import Http, HttpLimits
from smart_launch.server_keys import ServerKey, read_server_keys

log = logging.getLogger("wetread.cds")

# Nobody waits for them so long: a call waits for the rest of its own time at most.
LIMITS = HttpLimits(
    connect_s=2.0, read_s=3.0, total_s=5.0, response_bytes=256 * 1024, attempts=1
)  # fmt: skip


class _Kept:
    """What is known of one EHR's keys, and who asks for them; times of a clock that only grows.

    Seats and thread are this EHR's alone: one that does not answer holds nothing of another's.
    """

    def __init__(self, most_waiting: int, pause_s: float) -> None:
        self.keys: tuple[ServerKey, ...] = ()
        self.fetched_s = self.asked_s = self.renewal_s = float("-inf")
        self.pause_s = pause_s
        self.failure: str | None = None
        self.under_way: Future[None] | None = None
        self.seats = threading.BoundedSemaphore(most_waiting)
        self.errand = ThreadPoolExecutor(1, "cds-keys")


class CallerKeys:
    """Finds the key that a token names; safe to share between threads.

    Parameters
    ----------
    http : Http, optional
        Sends the requests.
    lifetime_s : float
        How long keys are used without asking again: a key that was withdrawn works so long.
    again_s : float
        An address is asked for a caller at most so often, whatever key ids callers make up; and
        looked after so often where its keys are kept at hand. While they cannot be fetched the
        pause doubles, up to half their lifetime.
    most_waiting : int
        Calls of one EHR that may wait at the same time: they hold threads of the web process.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        http: Http | None = None,
        *,
        lifetime_s: float = 600.0,
        again_s: float = 30.0,
        most_waiting: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http or Http(LIMITS)
        self._lifetime_s, self._again_s = lifetime_s, again_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._whose: dict[str, str] = {}
        self._most_waiting = most_waiting
        self._closed = threading.Event()

    def keep(self, addresses: Mapping[str, str]) -> None:
        """Have keys at hand: ask now, and again at half their lifetime.

        In a thread of its own, until `close` or the end of the process. Without it the first call
        after a start or an idle time would wait for them, often longer than an EHR waits for cards.

        Parameters
        ----------
        addresses : mapping
            An EHR's id to the address of its keys.
        """
        for ehr, address in addresses.items():
            others = self._whose.get(address)  # a vendor's, for several hospitals
            self._whose[address] = f"{others}, {ehr}" if others else ehr
        if addresses:
            threading.Thread(target=self._renew, name="cds-keys-renewal", daemon=True).start()

    def _renew(self) -> None:
        while not self._closed.is_set():
            with self._lock:
                for address in self._whose:
                    kept = self._of(address)
                    if self._clock() >= kept.renewal_s:
                        # Not counted as asked: a start before the EHR's costs no caller its turn.
                        self._begin(address, kept)
            self._closed.wait(self._again_s)

    def close(self) -> None:
        """Look after no keys any more."""
        self._closed.set()

    def find(self, address: str, key_id: str, wait_s: float = 0.2) -> tuple[ServerKey, ...]:
        """Give the keys with this id.

        Parameters
        ----------
        address : str
            The *registered* address, never one that a token names.
        wait_s : float
            Keys are waited for so long at most; what arrives later serves the next call.

        Raises
        ------
        CallerUnknown
            ``key_unknown``: the EHR publishes no such key.
        KeysUnavailable
            Its keys have not arrived.
        """
        with self._lock:
            found = self._fresh(address, key_id)
            if found:
                return found
            kept = self._of(address)
            under_way = self._ask(address, kept)
        if under_way is not None:
            self._wait(kept, under_way, wait_s)
        with self._lock:
            found = self._fresh(address, key_id)
            known = self._is_fresh(kept)
        if found:
            return found
        if not known:
            raise KeysUnavailable("An EHR that calls must publish its keys; they do not arrive.")
        raise CallerUnknown("The EHR must publish the key that `kid` names.", code="key_unknown")

    def _is_fresh(self, kept: _Kept) -> bool:
        return self._clock() - kept.fetched_s < self._lifetime_s

    def _of(self, address: str) -> _Kept:
        if address not in self._kept:
            self._kept[address] = _Kept(self._most_waiting, self._again_s)
        return self._kept[address]

    def _fresh(self, address: str, key_id: str) -> tuple[ServerKey, ...]:
        kept = self._of(address)
        return tuple(k for k in kept.keys if k.kid == key_id) if self._is_fresh(kept) else ()

    def _ask(self, address: str, kept: _Kept) -> Future[None] | None:
        """Begin to ask, or join who asks already; None where it was done a moment ago."""
        due = self._clock() - kept.asked_s >= self._again_s
        if kept.under_way is None and due:
            kept.asked_s = self._clock()
            self._begin(address, kept)
        return kept.under_way

    def _begin(self, address: str, kept: _Kept) -> None:
        if kept.under_way is None:
            kept.under_way = kept.errand.submit(self._fetch, address)

    def _wait(self, kept: _Kept, under_way: Future[None], wait_s: float) -> None:
        if not kept.seats.acquire(blocking=False):
            return
        try:
            under_way.result(wait_s)
        except TimeoutError:
            return
        finally:
            kept.seats.release()

    def _fetch(self, address: str) -> None:
        keys: tuple[ServerKey, ...] | None = None
        failure = "unexpected"
        try:
            keys = read_server_keys(fetch_json(self._http, address))
        except DiscoveryError as error:
            failure = error.code
        finally:
            with self._lock:
                kept = self._kept[address]
                kept.under_way = None
                if keys is not None:
                    self._succeeded(address, kept, keys)
                else:
                    self._failed(address, kept, failure)

    def _succeeded(self, address: str, kept: _Kept, keys: tuple[ServerKey, ...]) -> None:
        kept.keys, kept.fetched_s = keys, self._clock()
        kept.renewal_s, kept.pause_s = kept.fetched_s + self._lifetime_s / 2, self._again_s
        if kept.failure is not None:
            log.info("cds_keys_fetched_again", extra={"ehr": self._whose.get(address)})
        kept.failure = None

    def _failed(self, address: str, kept: _Kept, failure: str) -> None:
        """Ask again later and later; say it once, until it changes."""
        kept.renewal_s = self._clock() + kept.pause_s
        kept.pause_s = min(2 * kept.pause_s, self._lifetime_s / 2)
        if failure != kept.failure:
            said = {"code": failure, "ehr": self._whose.get(address)}
            log.warning("cds_keys_not_fetched", extra=said)
        kept.failure = failure
