"""Searching the record for a chart, while somebody waits for the answer and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass, field
from functools import partial

from plugin.cds.errors import DataMissing
from plugin.cds.lanes import Lanes
from plugin.cds.searchsets import Page, Resources, all_of, read_page
from plugin.cds.shapes import Misshapen, Shape
from smart_launch.errors import SmartError
from smart_launch.fhir_client import FhirClient
from smart_launch.http import HttpLimits

MOST_ENTRIES = 500
MOST_PAGES = 10
# Of one EHR, until the last of their requests has ended.
MOST_CALLS = 3
# Of all EHRs: they hold threads of the web process, which pages need too.
MOST_WAITING = 5
# Of one page; how long all of them may take, the call's deadline says.
LIMITS = HttpLimits(
    connect_s=0.3, read_s=0.35, total_s=0.4, response_bytes=4 * 1024 * 1024, attempts=1
)  # fmt: skip


@dataclass(frozen=True)
class Patience:
    """Until when a call's answer can still be given.

    Attributes
    ----------
    deadline : float
        Of `time.monotonic`.
    given_up : Event
        Set once the answer was given, or cannot be given any more.
    """

    deadline: float
    given_up: threading.Event = field(default_factory=threading.Event)

    def left_s(self) -> float:
        """Seconds that are left; 0 when nobody waits any more."""
        left_s = self.deadline - time.monotonic()
        return 0.0 if self.given_up.is_set() else max(0.0, left_s)


class RecordSearch:
    """Searches records, each EHR's on threads of its own; safe to share between threads."""

    def __init__(self, kinds: int) -> None:
        self._lanes = Lanes(MOST_CALLS, kinds)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def find(
        self,
        client: FhirClient,
        whose: str,
        patient: str,
        kinds: Sequence[tuple[str, Shape]],
        deadline: float,
    ) -> list[Resources]:
        """Search for all resources of each kind, side by side.

        Parameters
        ----------
        whose : str
            Id of the EHR.
        kinds : sequence of (str, Shape)
            Resource type, and what is taken over of it.
        deadline : float
            Of `time.monotonic`: after it no request is sent, and none is waited for.

        Raises
        ------
        DataMissing
            ``record_busy``, ``record_slow``, ``record_refused`` or ``too_much_data``.
        """
        patience = Patience(deadline)
        if not patience.left_s():
            raise _slow()
        if not self._waiting.acquire(blocking=False):
            raise _busy()
        try:
            works = [partial(_search, client, *kind, patient, patience) for kind in kinds]
            return self._done(whose, works, patience)
        finally:
            patience.given_up.set()
            self._waiting.release()

    def _done(
        self, whose: str, works: Sequence[Callable[[], Resources]], patience: Patience
    ) -> list[Resources]:
        errands = self._lanes.of(whose).start(works)
        if errands is None:
            raise _busy()
        wait(errands, timeout=patience.left_s(), return_when=FIRST_EXCEPTION)
        # One that failed decides, whatever the others are still at.
        found = [_outcome(errand) for errand in errands if errand.done()]
        if len(found) < len(errands):
            raise _slow()
        return found


def _search(
    client: FhirClient, kind: str, shape: Shape, patient: str, patience: Patience
) -> Resources:
    """Search page by page; between two pages ask whether anybody still waits."""
    pages: list[Page] = []
    for bundle in client.search_pages(kind, {"patient": patient}):
        pages.append(read_page(bundle, kind, shape))
        if sum(len(page.resources) for page in pages) > MOST_ENTRIES:
            raise _too_much()
        if pages[-1].is_last:
            break
        if len(pages) == MOST_PAGES:
            raise _too_much()
        if not patience.left_s():
            raise _slow()
    return all_of(pages)


def _outcome(errand: Future[Resources]) -> Resources:
    try:
        return errand.result()
    except (SmartError, Misshapen) as error:
        raise DataMissing(
            "The record must give studies and reports; it did not.", code="record_refused"
        ) from error


def _busy() -> DataMissing:
    return DataMissing("The record is asked for few charts at once.", code="record_busy")


def _slow() -> DataMissing:
    return DataMissing("The record must answer in time; it did not.", code="record_slow")


def _too_much() -> DataMissing:
    return DataMissing(
        f"A chart is looked through up to {MOST_ENTRIES} entries on {MOST_PAGES} pages; "
        "there are more.",
        code="too_much_data",
    )
