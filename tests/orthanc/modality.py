"""A scanner: makes studies of a known patient and sends them by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from tests.orthanc.server import SENDERS, Orthanc

# CLARK, Dan of the demo hospital.
DAN = {"PatientID": "H-1001", "IssuerOfPatientID": "HOSPITAL", "PatientName": "CLARK^Dan"}
STORED = 0x0000


def scan(
    count: int, source: str = "CT_small.dcm", series: int = 1, **changes: object
) -> list[Dataset]:
    """Make one study: so many slices in so many series each, every one with a UID of its own."""
    study = str(generate_uid())
    return [one for _ in range(series) for one in _series(study, count, source, DAN | changes)]


def _series(study: str, count: int, source: str, changes: dict[str, object]) -> Iterator[Dataset]:
    series = str(generate_uid())
    for number in range(1, count + 1):
        dataset = pydicom.dcmread(str(get_testdata_file(source)))
        for name, value in changes.items():
            setattr(dataset, name, value)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number
        yield dataset


def send(orthanc: Orthanc, images: Sequence[Dataset], sender: str = SENDERS[0]) -> None:
    """Send images over one association, each as it is encoded; every one must be accepted."""
    entity = AE(ae_title=sender)
    for kind, syntax in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in images}:
        entity.add_requested_context(kind, syntax)
    association = entity.associate(orthanc.host, orthanc.dicom_port, ae_title=orthanc.aet)
    if not association.is_established:
        raise RuntimeError("Orthanc must accept the association; it did not")
    try:
        answers = [association.send_c_store(one).get("Status") for one in images]
    finally:
        association.release()
    if set(answers) != {STORED}:
        raise RuntimeError(f"Orthanc must store every image; it answered {set(answers)}")
