"""The built-in archive: one file an instance, ``<study>/<series>/<instance>.dcm``."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.dicomweb.archive import Incoming, InstanceSummary, StoreOutcome
from sandbox.dicomweb.errors import (
    CANNOT_UNDERSTAND,
    DUPLICATE,
    OUT_OF_RESOURCES,
    InstanceRefused,
)
from sandbox.dicomweb.index import Entry, Index, read_entry


class FolderArchive:
    """DICOM files in a folder, with an index in memory that is rebuilt at start.

    Parameters
    ----------
    folder : pathlib.Path
        Made when absent. Files are written only by `store`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.index = Index()
        self.index.rebuild(folder)
        self._writing = threading.Lock()

    def instances(self, study_uid: str) -> Sequence[InstanceSummary]:
        """List a study's instances by series and instance number; empty when unknown."""
        return [summary(entry) for series in self.index.find(study_uid) for entry in series]

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        """Read one Part 10 file.

        Raises
        ------
        NotStored
        """
        return self.index.get(study_uid, series_uid, sop_uid)[0].path.read_bytes()

    def store(self, incoming: Sequence[Incoming]) -> list[StoreOutcome]:
        """Move each instance into place, whole or not at all; the same bytes again are fine."""
        return [self._store_one(one) for one in incoming]

    def _store_one(self, incoming: Incoming) -> StoreOutcome:
        classes = (incoming.sop_class_uid, incoming.sop_uid)
        try:
            with self._writing:
                self._place(incoming)
        except InstanceRefused as refused:
            return StoreOutcome(*classes, refused=refused)
        except OSError:
            full = InstanceRefused("The archive's disk refused the file", OUT_OF_RESOURCES)
            return StoreOutcome(*classes, refused=full)
        return StoreOutcome(*classes, instance=incoming)

    def _place(self, incoming: Incoming) -> None:
        held = self.index.holder_of(incoming.sop_uid)
        if held is not None:
            if _digest(held.path) != _digest(incoming.path):
                raise InstanceRefused("Another image has the same UID already", DUPLICATE)
            return
        try:
            entry = read_entry(incoming.path)
        except Exception as error:
            raise InstanceRefused("The DICOM file is damaged", CANNOT_UNDERSTAND) from error
        # The three names are UIDs (digits and dots), checked when the header was read.
        folder = self.folder / entry.study_uid / entry.series_uid
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{entry.sop_uid}.dcm"
        with incoming.path.open("rb") as file:
            os.fsync(file.fileno())
        incoming.path.replace(path)
        self.index.add(read_entry(path))


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def summary(entry: Entry) -> InstanceSummary:
    """What the viewer needs of an entry."""
    return InstanceSummary(
        study_uid=entry.study_uid,
        series_uid=entry.series_uid,
        sop_uid=entry.sop_uid,
        sop_class_uid=entry.sop_class_uid,
        modality=entry.text("00080060"),
        body_part=entry.text("00180015"),
        view=entry.text("00185101"),
        series_number=entry.number("00200011"),
        instance_number=entry.number("00200013"),
        series_description=entry.text("0008103E"),
        rows=entry.number("00280010"),
        columns=entry.number("00280011"),
        frames=entry.number("00280008") or 1,
    )
