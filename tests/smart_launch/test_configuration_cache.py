"""Many launches ask an EHR once, and an EHR that does not answer holds few of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import DiscoveryError
from smart_launch.http import Http
from tests.smart_launch.loopback import Asked, Loopback, Says

WELL_KNOWN = "/fhir/.well-known/smart-configuration"
DOCUMENT = {"token_endpoint": "https://login.example/token"}


class SlowEhr:
    """An EHR that answers when the test lets it."""

    def __init__(self, server: Loopback, says: Says) -> None:
        self.base, self.may_answer, self._says = f"{server.url}/fhir", threading.Event(), says
        server.says("GET", WELL_KNOWN, self._answer)
        self.asked: Callable[[], int] = lambda: len(server.asked)

    def _answer(self, _: Asked) -> Says:
        assert self.may_answer.wait(20)
        return self._says


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def callers(
    pool: ThreadPoolExecutor, cache: ConfigurationCache, ehr: SlowEhr, number: int
) -> list[Future[SmartConfiguration]]:
    """One asks; then the others come."""
    first = pool.submit(cache.get, ehr.base)
    wait_until(lambda: ehr.asked() == 1)
    return [first, *(pool.submit(cache.get, ehr.base) for _ in range(number - 1))]


def test_an_answer_is_used_for_some_minutes(http: Http, server: Loopback) -> None:
    moment = 0.0
    server.says("GET", WELL_KNOWN, Says(body=DOCUMENT))
    cache = ConfigurationCache(http, lifetime_s=300, clock=lambda: moment)
    first = cache.get(f"{server.url}/fhir")
    moment = 299.0
    assert cache.get(f"{server.url}/fhir") is first
    assert len(server.asked) == 1
    moment = 301.0
    assert cache.get(f"{server.url}/fhir") == first
    assert len(server.asked) == 2


def test_what_is_forgotten_is_asked_again(http: Http, server: Loopback) -> None:
    server.says("GET", WELL_KNOWN, Says(body=DOCUMENT))
    cache = ConfigurationCache(http)
    cache.get(f"{server.url}/fhir")
    cache.forget(f"{server.url}/fhir")
    cache.get(f"{server.url}/fhir")
    assert len(server.asked) == 2


def test_callers_at_the_same_time_share_one_question(http: Http, server: Loopback) -> None:
    ehr, cache = SlowEhr(server, Says(body=DOCUMENT)), ConfigurationCache(http, most_waiting=3)
    with ThreadPoolExecutor(4) as pool:
        asking = callers(pool, cache, ehr, 4)
        ehr.may_answer.set()
        assert len({one.result(20) for one in asking}) == 1
    assert ehr.asked() == 1


def test_callers_at_the_same_time_share_a_failure_and_the_next_one_asks_again(
    http: Http, server: Loopback
) -> None:
    ehr, cache = SlowEhr(server, Says(404)), ConfigurationCache(http, most_waiting=3)
    with ThreadPoolExecutor(2) as pool:
        asking = callers(pool, cache, ehr, 2)
        wait_until(lambda: cache.waiting(ehr.base) == 1)
        ehr.may_answer.set()
        for one in asking:
            with pytest.raises(DiscoveryError, match="configuration_unavailable"):
                one.result(20)
    assert ehr.asked() == 1
    server.says("GET", WELL_KNOWN, Says(body=DOCUMENT))
    assert cache.get(ehr.base).token_endpoint == DOCUMENT["token_endpoint"]


def test_only_a_few_wait_for_an_ehr_that_does_not_answer(http: Http, server: Loopback) -> None:
    ehr, cache = SlowEhr(server, Says(body=DOCUMENT)), ConfigurationCache(http, most_waiting=2)
    with ThreadPoolExecutor(8) as pool:
        asking = callers(pool, cache, ehr, 8)
        wait_until(lambda: sum(one.done() for one in asking) == 5)
        for one in asking:
            if one.done():
                with pytest.raises(DiscoveryError, match="busy") as refused:
                    one.result()
                assert refused.value.retryable
        ehr.may_answer.set()
        wait_until(lambda: all(one.done() for one in asking))
    # Whoever waited has left: the next slow moment finds room again.
    assert cache.waiting(ehr.base) == 0


def test_while_somebody_asks_again_the_others_go_on_with_the_old_answer(
    http: Http, server: Loopback
) -> None:
    moment = 0.0
    ehr = SlowEhr(server, Says(body=DOCUMENT))
    cache = ConfigurationCache(http, lifetime_s=300, most_waiting=1, clock=lambda: moment)
    ehr.may_answer.set()
    first = cache.get(ehr.base)
    ehr.may_answer.clear()
    moment = 301.0
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(cache.get, ehr.base)
        wait_until(lambda: ehr.asked() == 2)
        assert [cache.get(ehr.base) for _ in range(8)] == [first] * 8
        ehr.may_answer.set()
        asking.result(20)
    assert ehr.asked() == 2
