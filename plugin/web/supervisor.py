"""Runs the web server and the worker side by side; starts a dead worker again.

The children die with this process, however it dies: nothing may go on listening or reading alone.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

log = logging.getLogger("wetread.supervisor")

POLL_SECONDS = 0.2
STOP_SECONDS = 9.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A worker that lived this long did not die of its start.
SETTLED_SECONDS = 60.0
# sysexits.h: the configuration must be changed first.
NEVER_AGAIN = os.EX_CONFIG
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A child process and how to start it.

    Attributes
    ----------
    vital : bool
        When it ends, everything ends; otherwise it is started again, unless it says with the
        status `NEVER_AGAIN` that another start would end like this one.
    """

    name: str
    command: Sequence[str]
    vital: bool
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause_s: float = field(default=FIRST_PAUSE_SECONDS)
    start_at: float = 0.0

    def start(self) -> None:
        """Start the process."""
        # Log lines go to standard error; on standard output Celery would draw its banner.
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        self.started = time.monotonic()
        log.info("child_started", extra={"child": self.name, "child_pid": self.process.pid})

    def plan_restart(self) -> None:
        """Plan the next start: later after each death at the start, soon after a long life."""
        settled = time.monotonic() - self.started > SETTLED_SECONDS
        self.pause_s = FIRST_PAUSE_SECONDS if settled else self.pause_s
        self.start_at = time.monotonic() + self.pause_s
        self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_SECONDS)
        self.process = None


class Supervisor:
    """Keeps children running until SIGTERM or SIGINT.

    Parameters
    ----------
    children : sequence of Child
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stop = threading.Event()

    def run(self) -> int:
        """Run until told to stop; gives the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        status = 0
        while not self._stop.is_set() and not status:
            status = next((code for child in self._children if (code := self._tend(child))), 0)
            self._stop.wait(POLL_SECONDS)
        self._end()
        return status

    def _tend(self, child: Child) -> int:
        """Start a child when it is time; give the status to end with when one ended for good."""
        if child.process is None:
            if time.monotonic() >= child.start_at:
                child.start()
            return 0
        code = child.process.poll()
        if code is None or self._stop.is_set():
            return 0
        log.error("child_ended", extra={"child": child.name, "status": code})
        child.plan_restart()
        return NEVER_AGAIN if code == NEVER_AGAIN else int(child.vital)

    def _end(self) -> None:
        """Ask all children to finish, then make them."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                # The sweep finishes what a killed worker leaves.
                process.kill()
                process.wait()


def die_with_parent() -> None:
    """Have the kernel send SIGTERM to this child when its parent dies (Linux, prctl(2))."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):  # not Linux: the children then outlive a killed parent
        return
