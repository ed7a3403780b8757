"""How many calls of one EHR may be under way, and until when a call counts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from plugin.cds.lanes import Lane


def test_call_counts_until_its_slowest_errand_has_ended() -> None:
    lane, go_on = Lane(calls=1, errands=3), threading.Event()
    errands = lane.start([lambda: True, lambda: go_on.wait(5), lambda: True])
    assert errands is not None
    assert all(errands[number].result(5) for number in (0, 2))
    time.sleep(0.02)  # what an errand does at its end has been done
    assert lane.start([lambda: True]) is None
    go_on.set()
    assert errands[1].result(5)
    stopped = threading.Event()
    later = _started(lane, stopped)
    # One place has become free, not one for each errand.
    assert lane.start([lambda: True]) is None
    stopped.set()
    assert later.result(5)


def test_call_whose_errands_fail_ends_too() -> None:
    lane = Lane(calls=1, errands=1)
    for _ in range(3):
        assert isinstance(_started(lane, None).exception(5), TypeError)


def _started(lane: Lane, until: threading.Event | None) -> Future[bool]:
    """Start a call as soon as there is a place."""
    deadline = time.monotonic() + 5
    while (errands := lane.start([lambda: _wait(until)])) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return errands[0]


def _wait(until: threading.Event | None) -> bool:
    if until is None:
        raise TypeError
    return until.wait(5)
