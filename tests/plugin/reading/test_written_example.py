"""The example `written_report` is what the plugin writes today; its figures are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fhir_examples
from inference.model_facts import Coding, ModelClass
from inference.prevalence import likelihood_ratio
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import read_study_resource
from plugin.reporting.image_read import ImageRead
from plugin.reporting.report import ReportContext, build_report, reading_key
from plugin.reporting.site_prevalence import Prevalence
from tests.plugin.reading.samples import EXTENT, FULL, FULL_FACTS, IDENTITY

SCENARIOS = Path(fhir_examples.__file__).parent
ISSUER = "http://localhost:8080/fhir/r4"
TITLE = "Chest X-ray, Covid-19"
SNOMED = "http://snomed.info/sct"
DISEASE = "Disease caused by severe acute respiratory syndrome coronavirus 2"
FACTS = replace(
    FULL_FACTS,
    name="chest_xray",
    title=TITLE,
    classes=(
        ModelClass("covid", "Covid-19", Coding(SNOMED, "840539006", DISEASE)),
        ModelClass("normal", "No pneumonia", Coding(SNOMED, "17621005", "Normal")),
    ),
)
SITE = Prevalence(0.05, "ehr", "Demo hospital")
MODEL = replace(IDENTITY, name="chest_xray", title=TITLE)
PREDICTION = replace(
    FULL,
    model=MODEL,
    probability=0.83,
    classes={"covid": 0.83, "normal": 0.17},
    interval=(0.64, 0.91),
    likelihood_ratio=likelihood_ratio(0.83, 0.43),
    extent=EXTENT,
    cautions=(),
)


def read(scenario: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCENARIOS / scenario / f"{name}.json").read_text("utf-8"))
    return found


def written() -> dict[str, dict[str, Any]]:
    """Build the three resources of the example."""
    study = read_study_resource(
        read("launch_with_one_chest_xray", "imaging-study"),
        {},
        ArchiveRules(ISSUER, ()),
        frozenset({"CR"}),
    )
    image = study.series[0].instances[0]
    built = build_report(
        PREDICTION,
        ReportContext(
            key=reading_key(ISSUER, "clark-dan", study.uid or "", [image], MODEL, SITE),
            patient="clark-dan",
            patient_line="CLARK, Dan",
            birth_date="1930-10-19",
            study=study,
            views=1,
            image=ImageRead(1, 1, "PA", image),
            acquired=None,
            issued=datetime(2026, 3, 9, 8, 40, 12, tzinfo=UTC),
            status="preliminary",
            ai_security_label=False,
            launched_by="Practitioner/demo-radiologist",
            launch_encounter="clark-dan-visit",
            model=FACTS,
            model_card="https://wetread.example/models/chest_xray",
            unverifiable=False,
            site=SITE,
        ),
    )
    return {
        "diagnostic-report": built.report,
        "observation": built.observation,
        "provenance": built.provenance,
    }


@pytest.mark.parametrize("name", ["diagnostic-report", "observation", "provenance"])
def test_the_example_is_what_is_written(name: str) -> None:
    shown, expected = read("written_report", name), written()[name]
    # The bytes of the PDF change with the library that draws it.
    for resource in (shown, expected):
        for form in resource.get("presentedForm", ()):
            for part in ("data", "size", "hash"):
                assert form.pop(part)
    assert shown == expected
