"""Who may run beside whom in a worker: a job over which a worker died runs alone.

A job that kills its worker takes the others in hand with it. They are told apart by running each of
them alone from then on: an innocent one ends well, the other one dies by itself and is given up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets ordinary jobs run side by side, and others only by themselves."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._waiting_alone = 0

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Run the block; one that runs alone waits for those at work and holds up the next."""
        with self._changed:
            if alone:
                self._waiting_alone += 1
                self._changed.wait_for(lambda: self._running == 0)
            else:
                self._changed.wait_for(lambda: self._waiting_alone == 0)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._waiting_alone -= alone
                self._changed.notify_all()
