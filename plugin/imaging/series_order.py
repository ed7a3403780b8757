"""One series that is to be fetched: which images it must have, and which have come."""

from __future__ import annotations

from dataclasses import dataclass, field

from plugin.imaging.imaging_study import Series
from plugin.imaging.pacs import Pacs
from plugin.imaging.pacs_errors import ImageMissing


@dataclass
class SeriesOrder:
    """What is to come of one series.

    Attributes
    ----------
    number : int
        Its place in the study.
    listed : tuple of str
        SOP Instance UIDs that must come, in order: those that the record lists, else those that
        the archive lists, else none.
    strict : bool
        The record lists them, so no other image belongs to the study. The archive's own list may
        have been cut at some length: there, others do.
    places : dict
        SOP Instance UID to place in the series.
    """

    number: int
    series: Series
    pacs: Pacs
    listed: tuple[str, ...] = ()
    strict: bool = field(init=False)
    places: dict[str, int] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take the record's list where there is one."""
        self.strict = bool(self.series.instances)
        self._list(self.series.instances)

    def expect(self, listed: tuple[str, ...]) -> None:
        """Take the archive's list.

        Raises
        ------
        ImageMissing
            The record knows of more.
        """
        self._list(listed)
        if listed and len(self.listed) < self.series.count:
            raise too_few()

    def missing(self) -> list[str]:
        """Give the listed images that have not come."""
        return [uid for uid in self.listed if uid not in self.arrived]

    def place(self, uid: str) -> int:
        """Give an image's place; those that nobody listed come last, in the order of arrival."""
        return self.places.setdefault(uid, len(self.places))

    def check(self, uid: str) -> None:
        """Make sure that a listed image has come.

        Raises
        ------
        ImageMissing
        """
        if uid not in self.arrived:
            raise ImageMissing("Every image that is listed must arrive; one came as another.")

    def check_count(self) -> None:
        """Make sure that as many images have come as the record counts.

        Raises
        ------
        ImageMissing
        """
        if len(self.arrived) < max(1, self.series.count):
            raise too_few()

    def _list(self, listed: tuple[str, ...]) -> None:
        self.listed = tuple(dict.fromkeys(listed))
        self.places = {uid: place for place, uid in enumerate(self.listed)}


def too_few() -> ImageMissing:
    """Give the error for a series that is not complete."""
    return ImageMissing(
        "Every image that the record counts must be in the archive; at least one is missing there."
    )
