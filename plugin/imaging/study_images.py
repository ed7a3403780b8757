"""The images of a study in the worker: from memory, from the cache, or from the archive."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.errors import NotAnImage
from inference.images import DicomFacts, Image, read_facts, read_image
from plugin.imaging.cache import ImageCache
from plugin.imaging.imaging_study import Study, readable_series
from plugin.imaging.pacs import ImageMissing, Pacs, PacsError

# Decoded studies kept in memory: two chest X-rays of everyday size.
WARM_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class FetchedStudy:
    """The files of a study, and what every one of them says about itself.

    Attributes
    ----------
    facts : tuple of DicomFacts
        In the order of `files`.
    """

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
    return FetchedStudy(tuple(files), facts)


class WarmImages:
    """Decoded images of the last few studies: the reading need not decode what was just shown."""

    def __init__(self, limit_bytes: int = WARM_BYTES) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[tuple[Path, ...], tuple[Image, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def decode(self, fetched: FetchedStudy) -> tuple[Image, ...]:
        """Decode every file that is an image.

        Raises
        ------
        PixelError, ImageTooLarge
            One of them is damaged: a study is read whole or not at all.
        """
        with self._lock:
            found = self._kept.get(fetched.files)
            if found is not None:
                self._kept.move_to_end(fetched.files)
                return found
        images = tuple(_decode(fetched.files))
        if not images:
            raise NotAnImage("A study must hold at least one image; this one holds none.")
        self._keep(fetched.files, images)
        return images

    def _keep(self, files: tuple[Path, ...], images: tuple[Image, ...]) -> None:
        if _size(images) > self._limit:
            return
        with self._lock:
            self._kept[files] = images
            while sum(_size(one) for one in self._kept.values()) > self._limit:
                self._kept.popitem(last=False)


def _decode(files: Sequence[Path]) -> Iterator[Image]:
    for path in files:
        try:
            yield read_image(path)
        except NotAnImage:
            continue


def _size(images: Sequence[Image]) -> int:
    return sum(image.pixels.nbytes + image.stored.nbytes for image in images)


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
