"""An EHR that is slow gets no card, soon; it is not asked on, and no other EHR waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from plugin.cds import routes
from plugin.cds.chart import KINDS
from plugin.cds.errors import DataMissing
from plugin.cds.record_search import LIMITS, MOST_CALLS, MOST_PAGES, MOST_WAITING, RecordSearch
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from tests.plugin.cds.conftest import ADDRESS, Send, cards_of, code_of
from tests.plugin.cds.ehr import PATIENT, CallingEhr

FOREVER = 10_000


def asking(ehr: CallingEhr) -> dict[str, Any]:
    """A call for which the record must be asked."""
    return ehr.call(prefetch=None, fhirAuthorization=ehr.authorization())


@contextmanager
def calling_on(call: Callable[[], object], callers: int) -> Iterator[None]:
    """Keep calling, several at a time, as long as the block lasts."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            call()

    with ThreadPoolExecutor(callers) as pool:
        errands = [pool.submit(go_on) for _ in range(callers)]
        time.sleep(0.1)
        try:
            yield
        finally:
            over.set()
    for errand in errands:
        errand.result()


def test_slow_record_makes_no_card_and_no_slow_answer(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 1.0
    started = time.monotonic()
    answer = send(asking(ehr))
    assert time.monotonic() - started < 0.5
    assert answer.status_code == 412
    assert code_of(answer) in ("record_slow", "record_refused")


def test_few_calls_wait_for_a_slow_record(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 0.6

    def called(_: int) -> tuple[str, float]:
        started = time.monotonic()
        code = code_of(send(asking(ehr)))
        return code, time.monotonic() - started

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(called, range(8)))
    waited = [code for code, _ in answers if code != "record_busy"]
    assert len(waited) == MOST_CALLS
    assert all(spent < 0.3 for code, spent in answers if code == "record_busy")


def test_record_is_not_asked_on_once_the_call_was_answered(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_pages, ehr.behaviour.record_delay_s = FOREVER, 0.1
    started = time.monotonic()
    answer = send(asking(ehr))
    assert (answer.status_code, code_of(answer)) == (412, "record_slow")
    assert time.monotonic() - started < 0.5
    time.sleep(0.05)  # what was on its way has arrived
    asked = len(ehr.requests)
    time.sleep(0.5)
    assert len(ehr.requests) == asked


def test_one_refusal_ends_the_call(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_status, ehr.behaviour.record_slow = 500, ("ImagingStudy",)
    ehr.behaviour.record_delay_s = 0.3
    started = time.monotonic()
    assert code_of(send(asking(ehr))) == "record_refused"
    assert time.monotonic() - started < 0.25


def test_list_without_an_end_is_given_up(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_pages, ehr.behaviour.record_slow = FOREVER, ("ImagingStudy",)
    ehr.behaviour.record_delay_s = 0.2
    assert code_of(send(asking(ehr))) == "too_much_data"
    assert ehr.asked("/DiagnosticReport") == MOST_PAGES


def test_failed_list_ends_the_other_one_too(
    send: Send, ehr: CallingEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    send()  # the keys are there
    monkeypatch.setattr(routes, "BUDGET_S", 3.0)  # the time left is not what ends it
    ehr.behaviour.record_pages, ehr.behaviour.record_slow = FOREVER, ("ImagingStudy",)
    ehr.behaviour.record_delay_s = 0.3
    assert code_of(send(asking(ehr))) == "too_much_data"
    time.sleep(1.0)
    assert ehr.asked("/ImagingStudy") == 1


def test_record_is_not_asked_when_no_time_is_left(ehr: CallingEhr) -> None:
    with pytest.raises(DataMissing, match="in time"):
        _find(RecordSearch(len(KINDS)), ehr, "north", time.monotonic() - 0.01)
    time.sleep(0.1)
    assert ehr.requests == []


def test_calls_of_many_ehrs_hold_few_threads(ehr: CallingEhr) -> None:
    ehr.behaviour.record_delay_s = 0.6
    search, deadline = RecordSearch(len(KINDS)), time.monotonic() + 0.5

    def searched(number: int) -> str:
        with pytest.raises(DataMissing) as refusal:
            _find(search, ehr, f"ehr-{number}", deadline)
        return refusal.value.code

    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(searched, range(12)))
    assert codes.count("record_busy") == 12 - MOST_WAITING


def _find(search: RecordSearch, ehr: CallingEhr, whose: str, deadline: float) -> object:
    client = FhirClient(ehr.issuer, "cds-access-token", http=Http(LIMITS))
    return search.find(client, whose, PATIENT, list(KINDS.values()), deadline)


def test_slow_record_of_one_ehr_takes_no_card_from_another(
    send: Send, ehr: CallingEhr, healthy: CallingEhr
) -> None:
    send(), send(token=healthy.token(ADDRESS), body=healthy.call())  # the keys are there
    ehr.behaviour.record_pages, ehr.behaviour.record_delay_s = FOREVER, 0.3
    with calling_on(lambda: send(asking(ehr)), callers=4):
        for _ in range(5):
            started = time.monotonic()
            answer = send(asking(healthy), token=healthy.token(ADDRESS))
            assert len(cards_of(answer)) == 1
            assert time.monotonic() - started < 0.5


def test_record_that_has_recovered_is_asked_again(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 0.3
    ehr.behaviour.record_pages = FOREVER
    for _ in range(MOST_CALLS + 1):
        assert code_of(send(asking(ehr))) in ("record_slow", "record_busy")
    ehr.behaviour.record_delay_s, ehr.behaviour.record_pages = 0.0, 1
    time.sleep(0.4)  # the last requests have ended
    assert cards_of(send(asking(ehr))) == []


def test_keys_that_do_not_come_take_no_call_from_another_ehr(
    send: Send, ehr: CallingEhr, healthy: CallingEhr
) -> None:
    ehr.behaviour.keys_delay_s = 1.0
    with calling_on(send, callers=4):
        assert len(cards_of(send(asking(healthy), token=healthy.token(ADDRESS)))) == 1
