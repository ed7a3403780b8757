"""The hospital's images: its archive and its record, opened once and shared by the routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from sandbox.dicomweb.archive import StoreOutcome
from sandbox.dicomweb.receiving import Admission, judge
from sandbox.dicomweb.record import Record
from sandbox.dicomweb.service import Service

if TYPE_CHECKING:
    from sandbox.settings import SandboxSettings


@dataclass(frozen=True)
class Imaging:
    """Archive, record, and the folder in which incoming files wait.

    Parameters
    ----------
    archive : Service
        A folder, or a PACS behind the gateway.
    record : Record
        Who owns which study.
    base : str
        Address of the DICOMweb service.
    spool : pathlib.Path
        On the same disk as the built-in archive.
    imported : list of str
        Ids of the Patients made from the folder of ``--images``, in the order of its files.
    """

    archive: Service
    record: Record
    base: str
    spool: Path
    imported: list[str] = field(default_factory=list)

    def store(self, parts: Sequence[tuple[str, Path]], admit: Admission) -> list[StoreOutcome]:
        """Judge spooled parts and store those that are admitted; outcomes in their order."""
        judged = judge(parts, admit)
        admitted = [one.instance for one in judged if one.instance is not None]
        stored = iter(self.archive.store(admitted) if admitted else [])
        return [one if one.refused is not None else next(stored) for one in judged]


def open_imaging(app: Flask) -> Imaging:
    """Open the archive that the settings name and hang it on the application."""
    import pydicom.config

    from sandbox.dicomweb.folder_service import FolderService
    from sandbox.dicomweb.remote import RemoteService
    from sandbox.hospital import Hospital
    from sandbox.settings import ISSUER_OF_PATIENT_ID, MRN_SYSTEM

    house = cast("Hospital", app.extensions["sandbox"])
    settings: SandboxSettings = house.settings
    # pydicom's warnings quote the values that they find odd, and those may be patient data.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    archive: Service
    if settings.dicomweb_url:
        archive = RemoteService(settings.dicomweb_url)
    else:
        archive = FolderService(settings.data_dir / "dicom")
    imaging = Imaging(
        archive,
        Record(house.fhir, {ISSUER_OF_PATIENT_ID: MRN_SYSTEM}),
        settings.dicomweb_base,
        settings.data_dir / "incoming",
    )
    app.extensions["sandbox-imaging"] = imaging
    return imaging


def current() -> Imaging:
    """The imaging services of the application that answers the current request."""
    return cast("Imaging", current_app.extensions["sandbox-imaging"])
