"""The keys of EHRs: asked for seldom, waited for shortly, and withdrawn when the EHR does so."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from plugin import create_app
from plugin.cds import routes
from plugin.cds.caller_keys import CallerKeys
from plugin.cds.errors import CallerUnknown, KeysUnavailable
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.settings import Settings
from tests.plugin.cds.conftest import ADDRESS, BASE_URL, Send, cards_of, code_of, registered
from tests.plugin.cds.ehr import EC, RSA, CallingEhr

KEYS = "/cds-keys"


class Clock:
    """Time that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(ehr: CallingEhr) -> Iterator[Callable[..., CallerKeys]]:
    """Keys that are kept at hand while the test runs."""
    made: list[CallerKeys] = []
    earlier = _renewals()

    def keep(**options: Any) -> CallerKeys:
        keys = CallerKeys(**options)
        made.append(keys)
        keys.keep({"north": ehr.jwks_url})
        return keys

    yield keep
    for keys in made:
        keys.close()
    for renewal in _renewals() - earlier:
        renewal.join(5)
    for keys in made:  # what was begun is not counted by the next test
        for address in keys._kept.values():
            address.errand.shutdown()


def test_keys_are_asked_for_once_until_their_time_is_over(ehr: CallingEhr, clock: Clock) -> None:
    keys = CallerKeys(clock=clock)
    assert [key.kid for key in keys.find(ehr.jwks_url, "ec-1")] == ["ec-1"]
    assert [key.kid for key in keys.find(ehr.jwks_url, "rsa-1")] == ["rsa-1"]
    clock.now += 599
    keys.find(ehr.jwks_url, "ec-1")
    assert ehr.asked(KEYS) == 1
    clock.now += 2
    keys.find(ehr.jwks_url, "ec-1")
    assert ehr.asked(KEYS) == 2


def test_new_key_is_found_and_the_old_one_works_as_long_as_both_are_published(
    ehr: CallingEhr, clock: Clock
) -> None:
    keys = CallerKeys(clock=clock)
    keys.find(ehr.jwks_url, "ec-1")
    new = ECKey.generate_key("P-384", {"kid": "ec-2", "use": "sig"})
    ehr.behaviour.keys = [EC, new]
    clock.now += 30
    assert keys.find(ehr.jwks_url, "ec-2")
    assert keys.find(ehr.jwks_url, "ec-1")
    ehr.behaviour.keys = [new]
    clock.now += 600
    assert keys.find(ehr.jwks_url, "ec-2")
    with pytest.raises(CallerUnknown, match="publish the key"):
        keys.find(ehr.jwks_url, "ec-1")


def test_made_up_key_ids_make_few_requests(ehr: CallingEhr, clock: Clock) -> None:
    keys = CallerKeys(clock=clock)
    for number in range(20):
        with pytest.raises(CallerUnknown):
            keys.find(ehr.jwks_url, f"made-up-{number}")
    assert ehr.asked(KEYS) == 1
    clock.now += 30
    with pytest.raises(CallerUnknown):
        keys.find(ehr.jwks_url, "made-up")
    assert ehr.asked(KEYS) == 2


def test_keys_that_come_late_serve_the_next_call(ehr: CallingEhr) -> None:
    ehr.behaviour.keys_delay_s = 0.3
    keys = CallerKeys()
    started = time.monotonic()
    with pytest.raises(KeysUnavailable):
        keys.find(ehr.jwks_url, "ec-1", 0.05)
    assert time.monotonic() - started < 0.25
    _until(lambda: bool(_found(keys, ehr)))
    assert ehr.asked(KEYS) == 1


def test_keys_are_there_before_the_first_call_and_stay_there_without_calls(
    ehr: CallingEhr, kept: Callable[..., CallerKeys], clock: Clock
) -> None:
    keys = kept(again_s=0.02, clock=clock)
    for number in range(1, 5):
        _until(lambda: keys._kept[ehr.jwks_url].fetched_s == clock.now)
        assert ehr.asked(KEYS) == number
        ehr.behaviour.keys_delay_s = 0.2
        clock.now += 301  # half of their lifetime
        # No call waits while they are renewed.
        assert keys.find(ehr.jwks_url, "ec-1", 0.0)


def test_a_start_before_the_ehrs_own_costs_no_caller_its_turn(
    ehr: CallingEhr, kept: Callable[..., CallerKeys]
) -> None:
    ehr.behaviour.keys_status = 500
    keys = kept()
    _until(lambda: ehr.asked(KEYS) == 1)
    ehr.behaviour.keys_status = 200
    assert keys.find(ehr.jwks_url, "ec-1", 5.0)


def test_a_withdrawn_key_is_forgotten_by_renewal_too(
    ehr: CallingEhr, kept: Callable[..., CallerKeys]
) -> None:
    keys = kept(lifetime_s=0.4, again_s=0.05)
    _until(lambda: bool(_found(keys, ehr)))
    ehr.behaviour.keys = [RSA]
    _until(lambda: not _found(keys, ehr))


def test_keys_that_cannot_be_had_are_looked_after_less_and_less_and_said_once(
    ehr: CallingEhr,
    kept: Callable[..., CallerKeys],
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="wetread.cds")
    ehr.behaviour.keys_status = 500
    keys = kept(again_s=0.02, lifetime_s=0.2, clock=clock)
    # The clock stands still: only its steps let a pause end.
    for number, pause_s in enumerate((0.02, 0.04, 0.08, 0.1, 0.1, 0.1), 1):
        due_s = pytest.approx(clock.now + pause_s)
        _until(partial(lambda due_s: keys._kept[ehr.jwks_url].renewal_s == due_s, due_s))
        assert ehr.asked(KEYS) == number
        clock.now += pause_s - 0.005
        time.sleep(0.06)
        assert ehr.asked(KEYS) == number
        clock.now += 0.01
    assert _told(caplog, "cds_keys_not_fetched") == ["north"]
    ehr.behaviour.keys_status = 200
    clock.now += 0.2
    _until(lambda: _told(caplog, "cds_keys_fetched_again") == ["north"])
    assert keys.find(ehr.jwks_url, "ec-1", 0.0)
    ehr.behaviour.keys_status = 404
    clock.now += 0.2
    _until(lambda: _told(caplog, "cds_keys_not_fetched") == ["north"] * 2)


def test_keys_are_looked_after_no_longer_than_there_is_an_application(
    ehr: CallingEhr, tmp_path: Path
) -> None:
    settings = Settings(
        base_url=BASE_URL, data_dir=tmp_path, secret_keys=SecretKeys.generate().dump(),
        ehrs=registered(ehr),
    )  # fmt: skip
    earlier = _renewals()
    made = create_app(settings)
    (own,) = _renewals() - earlier
    assert own.is_alive()
    _until(lambda: ehr.asked(KEYS) == 1)  # not counted by the next test
    made.extensions[EXTENSION].database.close()
    del made
    gc.collect()
    own.join(5)
    assert not own.is_alive()


def test_few_calls_wait_for_keys(ehr: CallingEhr) -> None:
    ehr.behaviour.keys_delay_s = 0.3
    keys = CallerKeys(most_waiting=0)
    started = time.monotonic()
    with pytest.raises(KeysUnavailable):
        keys.find(ehr.jwks_url, "ec-1", 5.0)
    assert time.monotonic() - started < 0.25
    _until(lambda: bool(_found(keys, ehr)))


def test_keys_that_cannot_be_had_are_asked_for_again_later(ehr: CallingEhr, clock: Clock) -> None:
    keys = CallerKeys(clock=clock)
    ehr.behaviour.keys_status = 500
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            keys.find(ehr.jwks_url, "ec-1")
    assert ehr.asked(KEYS) == 1
    ehr.behaviour.keys_status = 200
    clock.now += 30
    assert keys.find(ehr.jwks_url, "ec-1")


def test_call_of_an_ehr_without_keys_is_refused_and_the_next_one_may_be_answered(
    send: Send, ehr: CallingEhr
) -> None:
    ehr.behaviour.keys_delay_s = 1.0
    answer = send()
    assert (answer.status_code, code_of(answer)) == (503, "keys_unavailable")
    _until(lambda: send(token=ehr.token(ADDRESS, key=RSA)).status_code == 200)
    assert cards_of(send()) == []


def test_a_call_waits_for_keys_as_long_as_it_has_time(
    send: Send, ehr: CallingEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "BUDGET_S", 5.0)
    ehr.behaviour.keys_delay_s = 0.5
    assert cards_of(send()) == []


def _found(keys: CallerKeys, ehr: CallingEhr) -> object:
    try:
        return keys.find(ehr.jwks_url, "ec-1")
    except (KeysUnavailable, CallerUnknown):
        return None


def _told(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    """Of which EHRs something was logged."""
    return [vars(record)["ehr"] for record in caplog.records if record.message == event]


def _renewals() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "cds-keys-renewal"}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
