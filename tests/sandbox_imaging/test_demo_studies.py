"""The demo studies and the examples that describe them."""

from __future__ import annotations

import pytest

from sandbox.demo_records import demo_records
from sandbox.images.demo_studies import DEMO_STUDIES
from sandbox.server import RunningSandbox

EXAMPLES = {r["id"]: r for r in demo_records() if r["resourceType"] == "ImagingStudy"}


@pytest.mark.parametrize("name", [study.resource_id for study in DEMO_STUDIES])
def test_the_hospital_holds_what_the_example_says(hospital: RunningSandbox, name: str) -> None:
    stored = hospital.app.extensions["sandbox"].fhir.read("ImagingStudy", name)
    wanted = EXAMPLES[name]
    assert {key: stored.get(key) for key in wanted if key not in ("endpoint", "meta")} == {
        key: value for key, value in wanted.items() if key not in ("endpoint", "meta")
    }


def test_there_is_a_chest_xray_of_clark_dan() -> None:
    study = EXAMPLES["clark-dan-chest-xray"]
    assert study["subject"] == {"reference": "Patient/clark-dan"}
    assert study["modality"][0]["code"] == "CR"
