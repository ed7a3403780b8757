"""An archive, and the plugin's own fetching in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study, read_study_resource
from plugin.imaging.pacs import Pacs
from plugin.imaging.study_images import FetchedStudy, fetch_study
from smart_launch.http import Http, HttpLimits
from tests.plugin.imaging.archive import Archive
from tests.plugin.reading.samples import endpoint, imaging_study
from tests.smart_launch.loopback import running_server

LIMITS = HttpLimits(connect_s=2, read_s=5, total_s=10, backoff_s=0.001, retry_after_s=1.0)
FHIR = "https://ehr.example/fhir"
MEGABYTE = 1024**2


@pytest.fixture
def archive() -> Iterator[Archive]:
    with running_server() as book:
        yield Archive(book)


@pytest.fixture
def other_archive() -> Iterator[Archive]:
    with running_server() as book:
        yield Archive(book)


def series_entry(uid: str, listed: list[str] | None, count: int | None = None) -> dict[str, Any]:
    """A series as the record lists it; None: without its images."""
    entry: dict[str, Any] = {"uid": uid, "modality": {"code": "CR"}}
    if listed is not None:
        entry["instance"] = [{"uid": one} for one in listed]
    return entry | {"numberOfInstances": count if count is not None else len(listed or ())}


def study_at(archive: Archive, *series: dict[str, Any], **changes: Any) -> Study:
    """The sample study with these series, its images in an archive that is registered."""
    resource = imaging_study(
        contained=[endpoint("pacs", archive.url)],
        series=list(series),
        numberOfInstances=sum(one["numberOfInstances"] for one in series) or 1,
    )
    rules = ArchiveRules(FHIR, (archive.book.url, *changes.pop("origins", ())))
    return read_study_resource(resource | changes, {}, rules, frozenset({"CR"}))


class Fetching:
    """The plugin's fetching as one launch does it.

    Attributes
    ----------
    renewals : list of str
        Tokens for which a fresh one was asked.
    """

    def __init__(self, folder: Path) -> None:
        self.cache = ImageCache(folder)
        self.folder = self.cache.folder("launch", "study")
        self.tokens = ["token-1", "token-2"]
        self.renewals: list[str] = []
        self.pauses: list[float] = []
        self.limits = LIMITS

    def token(self, rejected: str | None) -> str:
        if rejected is not None:
            self.renewals.append(rejected)
            self.tokens.pop(0)
        return self.tokens[0]

    def __call__(self, study: Study, allowance: Allowance | None = None) -> FetchedStudy:
        assert study.why_not is None
        http = Http(self.limits, sleep=self.pauses.append)
        allowance = allowance or Allowance(100, MEGABYTE, 100 * MEGABYTE)
        pacs_of: Callable[..., Pacs] = lambda archive: Pacs(http, archive, self.token)  # noqa: E731
        try:
            return fetch_study(study, pacs_of, self.cache, self.folder, {"CR"}, allowance)
        finally:
            http.close()

    def kept(self) -> list[Path]:
        """Every file that is left below the cache."""
        return [path for path in self.cache.root.rglob("*") if path.is_file()]


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path)
