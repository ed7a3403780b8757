"""The files of a study in the worker: from the cache, or from the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from inference.errors import InferenceError
from inference.images import DicomFacts, read_facts
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.endpoints import Archive
from plugin.imaging.fetching import StudyFetch
from plugin.imaging.imaging_study import Series, Study, readable_series
from plugin.imaging.pacs import Pacs
from plugin.imaging.pacs_errors import ImageMissing, PacsError
from plugin.imaging.series_order import SeriesOrder


@dataclass(frozen=True)
class FetchedStudy:
    """The files of a study, and what every one of them says about itself.

    Attributes
    ----------
    mark : str
        What changes when other images must be fetched.
    listed : frozenset of str
        SOP Instance UIDs that must be among the files.
    """

    mark: str
    files: tuple[Path, ...]
    listed: frozenset[str] = frozenset()
    forget: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @cached_property
    def facts(self) -> tuple[DicomFacts, ...]:
        """Read every header, in the order of `files`.

        Raises
        ------
        NotAnImage
            A file is no DICOM file.
        ImageMissing
            A file is another image than its name in the archive says. Then nothing is kept.
        """
        try:
            found = tuple(read_facts(path) for path in self.files)
            if self.listed - {one.sop_instance_uid for one in found}:
                raise ImageMissing(
                    "Every image that the record lists must arrive; one came as another."
                )
        except (InferenceError, ImageMissing):
            self.forget()
            raise
        return found


def fetch_study(
    study: Study,
    pacs_of: Callable[[Archive], Pacs],
    cache: ImageCache,
    folder: Path,
    modalities: Iterable[str],
    allowance: Allowance,
) -> FetchedStudy:
    """Fetch the study's images unless this launch has them already.

    Parameters
    ----------
    pacs_of : callable
        Gives the way to an archive; called once for each.
    modalities : iterable of str
        Only series of these are fetched; a report or a presentation state is no image.
    allowance : Allowance
        How much is fetched at most.

    Raises
    ------
    ImageMissing, PacsUnavailable, PacsError, LaunchExpired
        Some image did not arrive whole; then nothing is kept.
    """
    series = readable_series(study, modalities)
    allowance.expect(sum(max(one.count, len(one.instances)) for one in series))
    mark = _fingerprint(study, series)
    files = cache.images(folder, mark)
    if not files:
        orders = _orders(study, series, pacs_of)
        with cache.filling(folder, mark) as place:
            StudyFetch(study.uid or "", place, allowance).run(orders)
        files = cache.images(folder, mark)
    listed = frozenset(uid for one in series for uid in one.instances)
    return FetchedStudy(mark, tuple(files), listed, lambda: cache.forget_images(folder, mark))


def _orders(
    study: Study, series: Sequence[Series], pacs_of: Callable[[Archive], Pacs]
) -> list[SeriesOrder]:
    archives = [one.archive or study.archive for one in series]
    ways = {one: pacs_of(one) for one in archives if one is not None}
    if None in archives:
        raise PacsError("A study must name its archive; this one names none.")
    numbered = enumerate(zip(series, archives, strict=True), 1)
    return [SeriesOrder(n, one, ways[archive]) for n, (one, archive) in numbered if archive]


def _fingerprint(study: Study, series: Iterable[Series]) -> str:
    """What changes when other images must be fetched."""
    listed = [(one.uid, one.count, one.instances) for one in study.series]
    archives = [(one.archive or study.archive) for one in series]
    places = [archive and archive.url for archive in archives]
    text = repr((study.uid, study.version, listed, places))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
