"""The table of demo studies; patients are those of ``fhir_examples``."""

from __future__ import annotations

from sandbox.images.demo import DemoStudy

DEMO_STUDIES = (
    DemoStudy(
        "clark-dan-chest-xray",
        "clark-dan",
        ("RG1_UNCR.dcm",),
        "Chest X-ray, PA",
        "A-2001",
        "20260309",
        "081500",
    ),
)
