"""The demo hospital in front of HAPI, and Wetread, all in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.uid import generate_uid

from plugin.demo.drive import Clinician
from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo
from sandbox.images.demo import demo_file
from tests.hapi.chart import Chart, Resource
from tests.required import skip_or_fail


@dataclass(frozen=True)
class Clinic:
    """A running demo with patients of its own.

    Attributes
    ----------
    chart : Chart
        What the FHIR server behind the hospital holds.
    patients : tuple of str
        One per picture, in the order of the pictures' names.
    """

    demo: RunningDemo
    chart: Chart
    clinician: Clinician
    patients: tuple[str, ...]

    def reports(self, patient: str) -> list[Resource]:
        """Every DiagnosticReport of a patient."""
        return self.chart.search("DiagnosticReport", subject=f"Patient/{patient}")

    def findings(self, patient: str) -> list[Resource]:
        """Every Observation of a patient."""
        return self.chart.search("Observation", subject=f"Patient/{patient}")

    def provenances(self, report: Resource) -> list[Resource]:
        """Every Provenance of a report."""
        return self.chart.search("Provenance", target=f"DiagnosticReport/{report['id']}")


@contextmanager
def running_clinic(
    folder: Path, fhir: str, chart: Chart, images: Path, write: str
) -> Iterator[Clinic]:
    """Run the demo while the block runs.

    Parameters
    ----------
    folder : Path
        For the demo's files.
    fhir : str
        FHIR base that the gateway asks.
    images : Path
        Pictures to make patients of.
    write : str
        Write mode of Wetread, and write profile of the hospital.
    """
    choices = DemoChoices(
        hospital_port=free_port(HOSPITAL_HOST),
        plugin_port=free_port(PLUGIN_HOST),
        fhir=fhir,
        images=images,
        write=write,
    )
    with running_demo(choices, folder) as demo:
        clinician = Clinician(choices)
        yield Clinic(demo, chart, clinician, tuple(clinician.patients_from_images()))


def write_radiograph(path: Path) -> None:
    """Write the demo's real chest X-ray under an identity that no other test uses."""
    source = demo_file("RG1_UNCR.dcm")
    if source is None:
        skip_or_fail("pydicom-data (the demo extra) is not installed")
    dataset = pydicom.dcmread(source)
    dataset.PatientID = generate_uid()
    dataset.PatientName = f"{path.stem}^Test"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)


def write_noise(path: Path) -> None:
    """Write a picture that is no chest X-ray, another one each time."""
    noise = np.random.default_rng().integers(0, 256, (600, 500), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), noise)
