"""What an archive of DICOM instances can do; kept by a folder and by a PACS behind a gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.dicomweb.errors import InstanceRefused

# PS3.5 section 9.1, but leading zeros of real devices are let through: nothing else ever becomes
# part of a path, here or on the PACS behind.
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")

Json = dict[str, Any]


def is_uid(value: str) -> bool:
    """Tell whether a text is a DICOM UID (leading zeros tolerated), 64 characters at most."""
    return len(value) <= 64 and bool(_UID.match(value))


@dataclass(frozen=True)
class Incoming:
    """One instance on its way in: its header has been read, its file lies in a spool folder.

    Parameters
    ----------
    path : Path
        A DICOM Part 10 file, removed or moved by whoever ends the request.
    study_uid, series_uid, sop_uid, sop_class_uid, transfer_syntax_uid : str
        From its header.
    patient_id, issuer : str
        PatientID and IssuerOfPatientID, empty when absent.
    """

    path: Path
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    patient_id: str
    issuer: str


@dataclass(frozen=True)
class StoreOutcome:
    """What became of one instance of a store request.

    Parameters
    ----------
    sop_class_uid, sop_uid : str
        As far as they could be read.
    instance : Incoming or None
        The stored instance.
    refused : InstanceRefused or None
        Why it is not stored.
    """

    sop_class_uid: str
    sop_uid: str
    instance: Incoming | None = None
    refused: InstanceRefused | None = None


@dataclass(frozen=True)
class InstanceSummary:
    """One stored instance, as the viewer needs it."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    modality: str
    body_part: str
    view: str
    series_number: int | None
    instance_number: int | None
    series_description: str
    rows: int | None
    columns: int | None
    frames: int


class Archive(Protocol):
    """An archive of DICOM instances."""

    def instances(self, study_uid: str) -> Sequence[InstanceSummary]:
        """List a study's instances by series and instance number; empty when unknown."""

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        """Read one Part 10 file, in the transfer syntax in which it is stored.

        Raises
        ------
        NotStored, ArchiveUnavailable
        """

    def store(self, incoming: Sequence[Incoming]) -> list[StoreOutcome]:
        """Store instances that have been admitted; each is stored whole or not at all."""


class Hospital(Protocol):
    """What DICOMweb asks the hospital's record, with the hospital's own rights."""

    def owner_of_study(self, study_uid: str) -> str | None:
        """Patient id of the ImagingStudy with this UID, None when the record knows none."""

    def studies_of_patient(self, patient: str) -> frozenset[str]:
        """Study UIDs of the patient's ImagingStudies."""

    def patient_of_identity(self, patient_id: str, issuer: str) -> str | None:
        """Patient id that carries this PatientID of this issuer, None when unknown."""


def chunks(path: Path, size: int = 1 << 18) -> Iterator[bytes]:
    """Read a file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece
