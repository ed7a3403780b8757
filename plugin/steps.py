"""The steps of a job: their names for programs, their labels for people, and how far each is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

READING_STEPS: Mapping[str, str] = {
    "find_study": "Finding the study",
    "fetch_images": "Fetching the images",
    "check_identity": "Checking whose images these are",
    "read_images": "Reading the images",
    "write_report": "Writing the report",
}
OPENING_STEPS: Mapping[str, str] = {
    name: READING_STEPS[name] for name in ("find_study", "fetch_images", "check_identity")
} | {"draw_images": "Preparing the pictures"}

Report = Callable[[list[dict[str, Any]]], None]


class Progress:
    """Follows the steps of one job and tells about every change.

    Parameters
    ----------
    steps : mapping
        Names and labels, in order.
    tell : callable
        Gets the list for the page: name, label, state (waiting, running, done, failed) and ms.
    """

    def __init__(self, steps: Mapping[str, str], tell: Report) -> None:
        self._tell = tell
        self._steps: dict[str, dict[str, Any]] = {
            name: {"name": name, "label": label, "state": "waiting", "ms": None}
            for name, label in steps.items()
        }
        self.current: str | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; a step that an error leaves is marked as failed."""
        self.current = name
        entry = self._steps[name]
        entry["state"] = "running"
        self._tell(self.as_json())
        started = time.perf_counter()
        try:
            yield
        except BaseException:
            entry["state"] = "failed"
            raise
        finally:
            entry["ms"] = round((time.perf_counter() - started) * 1000, 1)
        entry["state"] = "done"

    def as_json(self) -> list[dict[str, Any]]:
        """Give the steps for the page."""
        return [dict(entry) for entry in self._steps.values()]

    def timings_ms(self) -> dict[str, float]:
        """Give milliseconds per step that ran."""
        return {n: entry["ms"] for n, entry in self._steps.items() if entry["ms"] is not None}


def waiting(steps: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the steps of a job that has not begun."""
    return Progress(steps, lambda _: None).as_json()
