"""The files of a study in the worker: from the cache, or from the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inference.images import DicomFacts, read_facts
from plugin.imaging.cache import ImageCache
from plugin.imaging.imaging_study import Study, readable_series
from plugin.imaging.pacs import ImageMissing, Pacs, PacsError


@dataclass(frozen=True)
class FetchedStudy:
    """The files of a study, and what every one of them says about itself.

    Attributes
    ----------
    facts : tuple of DicomFacts
        In the order of `files`.
    mark : str
        What changes when other images must be fetched.
    """

    mark: str
    files: tuple[Path, ...]
    facts: tuple[DicomFacts, ...]


def fetch_study(
    study: Study,
    pacs: Pacs,
    cache: ImageCache,
    folder: Path,
    modalities: Iterable[str],
    *,
    limit: int,
) -> FetchedStudy:
    """Fetch the study's images unless this launch has them already.

    Parameters
    ----------
    modalities : iterable of str
        Only series of these are fetched; a report or a presentation state is no image.
    limit : int
        Images fetched at most.

    Raises
    ------
    ImageMissing, PacsUnavailable, PacsError, LaunchExpired
        Some image did not arrive whole; then nothing is kept.
    """
    series = readable_series(study, modalities)
    if sum(max(one.count, len(one.instances)) for one in series) > limit:
        raise PacsError(
            f"A study is read with up to {limit} images; this one has more.",
            code="too_many_images",
            next_step="Ask your Wetread administrator to raise the limit.",
        )
    mark = _fingerprint(study, pacs)
    files = cache.images(folder, mark)
    if not files:
        arriving = (
            content for one in series for content in pacs.fetch_series(study.uid or "", one)
        )
        files = cache.store_images(folder, mark, _limited(arriving, limit))
    facts = tuple(read_facts(path) for path in files)
    listed = {uid for one in series for uid in one.instances}
    if listed - {one.sop_instance_uid for one in facts}:
        raise ImageMissing("Every image that the record lists must arrive; one came as another.")
    return FetchedStudy(mark, tuple(files), facts)


def _limited(files: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Stop an archive that sends more than the record lists."""
    for number, content in enumerate(files, 1):
        if number > limit:
            raise PacsError(f"A study is read with up to {limit} images; more arrived.")
        yield content


def _fingerprint(study: Study, pacs: Pacs) -> str:
    """What changes when other images must be fetched."""
    listed = [(one.uid, one.count, one.instances) for one in study.series]
    text = repr((study.uid, study.version, listed, pacs.archive.url))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
