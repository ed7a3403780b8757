"""What the routes ask of either archive, and the address of a study, series or instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flask import Response

from sandbox.dicomweb.archive import Archive, Json, is_uid
from sandbox.dicomweb.errors import BadQuery

DICOM_JSON = "application/dicom+json"


@dataclass(frozen=True)
class Target:
    """A study, one of its series, or one of its instances.

    Raises
    ------
    BadQuery
        If a UID in the address is none: nothing else reaches the archive.
    """

    study_uid: str
    series_uid: str | None = None
    sop_uid: str | None = None

    def __post_init__(self) -> None:
        uids = [uid for uid in (self.study_uid, self.series_uid, self.sop_uid) if uid is not None]
        if not all(is_uid(uid) for uid in uids):
            raise BadQuery("The address must hold DICOM UIDs: digits and dots, at most 64")

    @property
    def path(self) -> str:
        """Path below the service root, without a slash at the start."""
        parts = ["studies", self.study_uid]
        parts += ["series", self.series_uid] if self.series_uid else []
        parts += ["instances", self.sop_uid] if self.sop_uid else []
        return "/".join(parts)


@dataclass(frozen=True)
class SearchRequest:
    """A search as it arrived.

    Parameters
    ----------
    level : {"study", "series", "instance"}
    arguments : tuple of (str, str)
        Query parameters.
    allowed : frozenset of str or None
        The only studies that may be found; None when all may.
    study_uid, series_uid : str or None
        From the path.
    """

    level: str
    arguments: tuple[tuple[str, str], ...]
    allowed: frozenset[str] | None
    study_uid: str | None = None
    series_uid: str | None = None


class Service(Archive, Protocol):
    """An archive that also answers DICOMweb requests; access has been checked before."""

    def search(self, request: SearchRequest, base: str) -> tuple[list[Json], Sequence[str]]:
        """Find studies, series or instances; answers them and the warnings to send along."""

    def retrieve(self, target: Target, accept: str) -> Response:
        """Send instances in the transfer syntax in which they are stored, where acceptable."""

    def metadata(self, target: Target, base: str) -> list[Json]:
        """DICOM JSON of every instance, with addresses instead of large values."""

    def frames(self, target: Target, numbers: Sequence[int], accept: str) -> Response:
        """Send frames of one instance as stored."""

    def bulk_data(self, target: Target, place: str, accept: str) -> Response:
        """Send one large value of one instance; `place` is ``bulkdata/<tag>`` or the PACS's own."""

    def rendered(self, target: Target) -> Response:
        """Send a picture of one instance (JPEG)."""
