"""The table of demo studies; the patients are those of ``fhir_examples``.

There is one chest radiograph in ``pydicom-data``, so three patients share it, each in another
encoding. The child's and the pictures that are no chest X-ray show what Wetread must not read.
"""

from __future__ import annotations

from sandbox.images.demo import DemoStudy

DEMO_STUDIES = (
    DemoStudy(
        resource_id="clark-dan-chest-xray",
        patient="clark-dan",
        files=("RG1_UNCR.dcm",),
        description="Chest X-ray, PA",
        accession="A-2001",
        date="20260309",
        time="081500",
    ),
    DemoStudy(
        resource_id="mayer-rosa-chest-xray",
        patient="mayer-rosa",
        files=("RG1_J2KR.dcm",),  # JPEG 2000, lossless
        description="Chest X-ray, PA",
        accession="A-2002",
        date="20260216",
        time="143000",
    ),
    DemoStudy(
        resource_id="mayer-rosa-leg-xray",
        patient="mayer-rosa",
        files=("RG3_J2KI.dcm",),  # JPEG 2000, lossy
        description="Lower leg X-ray, AP",
        accession="A-2003",
        date="20251104",
        time="101000",
    ),
    DemoStudy(
        resource_id="mayer-rosa-ct",
        patient="mayer-rosa",
        files=("693_J2KR.dcm",),
        description="CT, single slice",
        accession="A-2004",
        date="20260217",
        time="091500",
    ),
    DemoStudy(
        resource_id="lind-elsa-chest-xray",
        patient="lind-elsa",
        files=("RG1_J2KI.dcm",),
        description="Chest X-ray, PA",
        accession="A-2005",
        date="20260302",
        time="112000",
    ),
)
