"""Instances on their way in: spooled to files, checked one by one, before anything is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pydicom
from pydicom.errors import InvalidDicomError
from werkzeug.http import parse_options_header

from sandbox.dicomweb.archive import Hospital, Incoming, StoreOutcome, is_uid
from sandbox.dicomweb.errors import (
    CANNOT_UNDERSTAND,
    DATA_SET_MISMATCH,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    InstanceRefused,
)
from sandbox.dicomweb.multipart import read_parts

MOST_BYTES = 1 << 30
Admission = Callable[[Incoming], None]


@contextmanager
def spool_folder(folder: Path) -> Iterator[Path]:
    """A folder on the same disk as the archive, so that a file can be moved into place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=folder) as name:
        yield Path(name)


def spool_parts(stream: IO[bytes], boundary: bytes, folder: Path) -> list[tuple[str, Path]]:
    """Write every part of a store request to a file of its own.

    Returns
    -------
    list of (str, Path)
        Media type and file of each part. Nothing is judged yet: a body that is cut short raises
        `BadQuery`, and then not even its whole first instance is stored.
    """
    spooled = []
    for number, (headers, pieces) in enumerate(read_parts(stream, boundary)):
        path = folder / f"{number}.part"
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        media_type, _ = parse_options_header(headers.get("Content-Type", "application/dicom"))
        spooled.append((media_type.lower(), path))
    return spooled


def read_incoming(path: Path) -> Incoming:
    """Read the header of a spooled instance.

    Raises
    ------
    InstanceRefused
        Not DICOM, cut short, or without the UIDs that every instance has.
    """
    if path.stat().st_size > MOST_BYTES:
        raise InstanceRefused("One file may have at most 1 GiB", OUT_OF_RESOURCES)
    try:
        dataset = pydicom.dcmread(path, defer_size=1 << 16)
        syntax = str(dataset.file_meta.TransferSyntaxUID)
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
        uids = [str(dataset.get(name, "")) for name in names]
        patient_id, issuer = (
            str(dataset.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID")
        )
    except InvalidDicomError as error:
        raise InstanceRefused("The file is not DICOM", CANNOT_UNDERSTAND) from error
    except Exception as error:
        # pydicom raises whatever its parser trips over (struct.error, KeyError, EOFError, ...).
        raise InstanceRefused("The DICOM file is damaged", CANNOT_UNDERSTAND) from error
    if not all(is_uid(uid) for uid in [*uids, syntax]):
        raise InstanceRefused("The DICOM file has no valid UIDs", DATA_SET_MISMATCH)
    return Incoming(path, uids[0], uids[1], uids[2], uids[3], syntax, patient_id, issuer)


def judge(parts: Iterable[tuple[str, Path]], admit: Admission) -> list[StoreOutcome]:
    """Read and admit every part; outcomes are in the order of the parts.

    Parameters
    ----------
    admit : callable
        Raises `InstanceRefused` for an instance that must not be stored.
    """
    return [_judge_one(media_type, path, admit) for media_type, path in parts]


def _judge_one(media_type: str, path: Path, admit: Admission) -> StoreOutcome:
    incoming: Incoming | None = None
    try:
        if media_type != "application/dicom":
            raise InstanceRefused("A part must be application/dicom", CANNOT_UNDERSTAND)
        incoming = read_incoming(path)
        admit(incoming)
    except InstanceRefused as refused:
        known = (incoming.sop_class_uid, incoming.sop_uid) if incoming else ("", "")
        return StoreOutcome(*known, refused=refused)
    return StoreOutcome(incoming.sop_class_uid, incoming.sop_uid, instance=incoming)


def admission(hospital: Hospital, *, patient: str | None, study_uid: str | None) -> Admission:
    """Rules that an instance must fulfil, whoever sends it.

    Parameters
    ----------
    patient : str or None
        The only patient for whom the sender may store; None for the hospital itself.
    study_uid : str or None
        Study of the request's address.
    """

    def admit(incoming: Incoming) -> None:
        if study_uid is not None and incoming.study_uid != study_uid:
            raise InstanceRefused("The instance belongs to another study", DATA_SET_MISMATCH)
        if not incoming.patient_id or not incoming.issuer:
            raise InstanceRefused("PatientID and its issuer must be there", NOT_AUTHORIZED)
        owner = hospital.patient_of_identity(incoming.patient_id, incoming.issuer)
        if owner is None:
            raise InstanceRefused("PatientID and its issuer must be known here", NOT_AUTHORIZED)
        if patient is not None and owner != patient:
            raise InstanceRefused("The instance belongs to another patient", NOT_AUTHORIZED)
        if hospital.owner_of_study(incoming.study_uid) not in (None, owner):
            raise InstanceRefused("The study belongs to another patient", NOT_AUTHORIZED)

    return admit
