"""Index of a folder of DICOM files: read at start, kept in memory, changed with every store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from sandbox.dicomweb.archive import Json, is_uid
from sandbox.dicomweb.attributes import COMPUTED, HEADER
from sandbox.dicomweb.errors import NotStored

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One instance of the folder.

    Parameters
    ----------
    path : Path
        Part 10 file; never changed once stored.
    size : int
        Bytes.
    header : dict
        DICOM JSON of the attributes in `attributes.HEADER`.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: Path
    size: int
    header: Json

    def number(self, tag: str) -> int | None:
        """First value of a numeric attribute, None when absent."""
        values = self.header.get(tag, {}).get("Value") or [None]
        return None if values[0] is None else int(values[0])

    def text(self, tag: str) -> str:
        """First value of an attribute as text, empty when absent."""
        values = self.header.get(tag, {}).get("Value") or [""]
        return "" if values[0] is None else str(values[0])


def read_entry(path: Path) -> Entry:
    """Read the header of a file.

    Raises
    ------
    pydicom.errors.InvalidDicomError, ValueError
        If it is no DICOM file, or its UIDs are missing or malformed.
    """
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    uids = [
        str(dataset.get(name, ""))
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    ]
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if not all(is_uid(uid) for uid in [*uids, syntax]):
        raise ValueError("Study, series, instance, class and transfer syntax UID must be there")
    study, series, sop, sop_class = uids
    header = _header(dataset)
    return Entry(study, series, sop, sop_class, syntax, path, path.stat().st_size, header)


def _header(dataset: Dataset) -> Json:
    wanted = Dataset()
    for keyword in HEADER:
        if keyword not in COMPUTED and keyword in dataset:
            wanted[keyword] = dataset[keyword]
    answer: Json = wanted.to_json_dict(suppress_invalid_tags=True)
    return answer


class Index:
    """All instances of a folder, by study, series and instance UID; safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._studies: dict[str, dict[str, dict[str, Entry]]] = {}

    def rebuild(self, folder: Path) -> None:
        """Read every ``.dcm`` file below a folder; one that cannot be read is left out."""
        for path in sorted(folder.rglob("*.dcm")):
            try:
                self.add(read_entry(path))
            except Exception as error:
                log.warning("file left out of the index: %s", type(error).__name__)

    def add(self, entry: Entry) -> None:
        """Add or replace an instance."""
        with self._lock:
            series = self._studies.setdefault(entry.study_uid, {})
            series.setdefault(entry.series_uid, {})[entry.sop_uid] = entry

    def find(
        self, study_uid: str | None = None, series_uid: str | None = None
    ) -> Iterator[list[Entry]]:
        """Instances series by series, in order of series and instance number.

        Yields
        ------
        list of Entry
            One series, never empty.
        """
        for series in self._series(study_uid, series_uid):
            yield sorted(series, key=lambda e: (e.number("00200013") or 0, e.sop_uid))

    def _series(self, study_uid: str | None, series_uid: str | None) -> list[list[Entry]]:
        with self._lock:
            studies = self._studies if study_uid is None else {study_uid: self._study(study_uid)}
            found = [
                list(instances.values())
                for study in studies.values()
                for uid, instances in study.items()
                if series_uid in (None, uid)
            ]
        return sorted(found, key=_series_order)

    def _study(self, study_uid: str) -> dict[str, dict[str, Entry]]:
        return self._studies.get(study_uid, {})

    def get(
        self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> list[Entry]:
        """Entries of a study, series or instance.

        Raises
        ------
        NotStored
            If there is none.
        """
        found = [
            entry
            for series in self.find(study_uid, series_uid)
            for entry in series
            if sop_uid in (None, entry.sop_uid)
        ]
        if not found:
            raise NotStored("No such study, series or instance is stored here")
        return found

    def holder_of(self, sop_uid: str) -> Entry | None:
        """The entry with this SOP Instance UID in whatever study, None when there is none."""
        with self._lock:
            for study in self._studies.values():
                for series in study.values():
                    if sop_uid in series:
                        return series[sop_uid]
        return None


def _series_order(series: Iterable[Entry]) -> tuple[str, int, str]:
    first = next(iter(series))
    return (first.study_uid, first.number("00200011") or 0, first.series_uid)
