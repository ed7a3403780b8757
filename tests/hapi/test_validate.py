"""What the product's own builder can come up with is valid in HAPI's eyes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from inference.prediction import Prediction
from plugin.reporting.report import ReportContext, ReportResources, build_report
from plugin.reporting.writer import without_id
from tests.hapi.chart import Chart, Resource
from tests.plugin.reading.samples import (
    CHILD,
    FULL,
    FULL_FACTS,
    READ,
    SITE,
    UNREAD,
    context,
    imaging_study,
    study,
)
from tests.plugin.reading.test_report import TEXT, predictions

pytestmark = pytest.mark.integration
VARIANTS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "two views": {"views": 2},
    "patient not verifiable": {"unverifiable": True},
    "partial": {"status": "partial"},
    "an addendum": {"previous": ("DiagnosticReport/earlier",)},
    "no study date, no birth date": {"study": study(started=None), "birth_date": None},
    "nobody and no encounter": {"launched_by": None, "launch_encounter": None},
    "user of another server": {"launched_by": "https://elsewhere.example/fhir/Practitioner/p1"},
    "CT": {
        "study": study(
            series=[imaging_study()["series"][0] | {"modality": {"code": "CT"}}],
            description="CT thorax",
        ),
        "views": 0,
    },
}
CASES = [
    pytest.param(prediction, changes, id=f"{prediction.status}, {name}")
    for prediction in (READ, UNREAD)
    for name, changes in VARIANTS.items()
]
CASES += [
    pytest.param(prediction, {"model": FULL_FACTS, "site": SITE}, id=name)
    for name, prediction in {"everything that may be said": FULL, "child": CHILD}.items()
]


def complaints(chart: Chart, resources: ReportResources) -> list[str]:
    """As sent with our ids, and as created under the server's."""
    linked = resources.refer_to("DiagnosticReport/server-1", "Observation/server-2")
    sent: list[Resource] = [resources.report, resources.observation, linked.provenance]
    sent += [without_id(linked.report), without_id(linked.observation)]
    return [complaint for resource in sent for complaint in chart.complaints(resource)]


@pytest.mark.parametrize(("prediction", "changes"), CASES)
def test_every_kind_of_report_is_valid(
    chart: Chart, prediction: Prediction, changes: dict[str, Any]
) -> None:
    assert complaints(chart, build_report(prediction, context(**changes))) == []


@settings(max_examples=20, deadline=None)
@given(predictions(), TEXT, TEXT)
def test_no_name_title_or_probability_makes_a_report_invalid(
    chart: Chart, prediction: Prediction, name: str, title: str
) -> None:
    made: ReportContext = context(patient_line=name, study=study(description=title))
    assert complaints(chart, build_report(prediction, made)) == []


def test_the_check_does_see_what_is_wrong(chart: Chart) -> None:
    built = build_report(READ, context())
    wrong = replace(built, report=built.report | {"status": "bogus"})
    assert complaints(chart, wrong)


def test_a_label_that_this_server_does_not_know_is_left_out_unless_asked_for(chart: Chart) -> None:
    labelled = build_report(READ, context(ai_security_label=True))
    assert "AIAST" in str(labelled.report["meta"])
    assert "AIAST" not in str(build_report(READ, context()).report["meta"])
    assert any("AIAST" in complaint for complaint in complaints(chart, labelled))
