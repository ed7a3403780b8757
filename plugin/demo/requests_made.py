"""What Wetread asked of the demo hospital, from the hospital's own log of requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from plugin.demo.files import CLIENT_ID
from plugin.demo.processes import REQUEST_LOG


@dataclass(frozen=True)
class Asked:
    """One request, without ids and values.

    Attributes
    ----------
    what : str
        Such as ``GET ImagingStudy?_id&patient``, ``POST batch``.
    entries : tuple of str
        Of a Bundle, each as `what`.
    status : int
    spent_ms : float
        In the hospital.
    """

    what: str
    entries: tuple[str, ...]
    status: int
    spent_ms: float

    @property
    def is_fhir(self) -> bool:
        """False for images."""
        return not self.what.startswith("GET dicomweb/")


def wetreads_requests(folder: Path) -> list[Asked]:
    """Read what Wetread asked with a user's token so far.

    Parameters
    ----------
    folder : Path
        Of the demo.
    """
    lines = (folder / REQUEST_LOG).read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [
        Asked(one["asked"], tuple(one.get("entries", ())), one["status"], one["ms"])
        for one in found
        if one["client"] == CLIENT_ID
    ]


def fhir_of_readings(asked: Iterable[Asked]) -> list[list[Asked]]:
    """Give the FHIR requests of each reading; they must not have run at the same time.

    A reading begins by asking for one study by its id and ends with its report; what lists studies
    and reports for the page before it does not belong to it.
    """
    readings: list[list[Asked]] = []
    within = False
    for one in asked:
        if one.what.startswith("GET ImagingStudy?"):
            within = "&_id" in one.what or "?_id" in one.what
            if within:
                readings.append([])
        if within and one.is_fhir:
            readings[-1].append(one)
    return readings
