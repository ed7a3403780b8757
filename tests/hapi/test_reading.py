"""From the launch to the report, in each way of writing, and what HAPI says of the outcome."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hapi.clinic import Clinic

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MODES = pytest.mark.parametrize(
    "clinic", ["transaction-put", "create", "put"], indirect=True, scope="module"
)


def assert_one_whole_reading(clinic: Clinic, patient: str) -> dict[str, Any]:
    """One report, its finding and its Provenance, all of this patient, all without complaint."""
    (report,), (finding,) = clinic.reports(patient), clinic.findings(patient)
    assert report["status"] == "preliminary"
    assert report["subject"] == finding["subject"] == {"reference": f"Patient/{patient}"}
    assert report["result"] == [{"reference": f"Observation/{finding['id']}"}]
    (provenance,) = clinic.provenances(report)
    for resource in (report, finding, provenance):
        assert clinic.chart.complaints(resource) == []
    return finding


@MODES
def test_a_chest_xray_is_read_and_its_report_stands_in_hapi(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    outcome = clinic.clinician.read_once(patient)
    finding = assert_one_whole_reading(clinic, patient)
    assert outcome.report == f"DiagnosticReport/{clinic.reports(patient)[0]['id']}"
    assert finding["valueQuantity"]["value"] == outcome.probability


@MODES
def test_a_second_reading_of_the_same_images_keeps_the_first_report(clinic: Clinic) -> None:
    patient = clinic.patients[1]
    first = clinic.clinician.read_once(patient)
    second = clinic.clinician.read_once(patient)
    assert second.report == first.report
    assert_one_whole_reading(clinic, patient)
    assert clinic.reports(patient)[0]["meta"]["versionId"] == "1"


@MODES
def test_after_somebody_has_deleted_the_report_a_new_reading_writes_it_again(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[2]
    clinic.clinician.read_once(patient)
    (report,) = clinic.reports(patient)
    for resource in (*clinic.provenances(report), report, *clinic.findings(patient)):
        clinic.chart.delete(resource)
    again = clinic.clinician.read_once(patient)
    assert_one_whole_reading(clinic, patient)
    assert again.report == f"DiagnosticReport/{clinic.reports(patient)[0]['id']}"


@MODES
def test_that_a_picture_cannot_be_read_is_reported_and_accepted_too(clinic: Clinic) -> None:
    patient = clinic.patients[-1]
    outcome = clinic.clinician.read_once(patient)
    finding = assert_one_whole_reading(clinic, patient)
    assert outcome.probability is None
    assert outcome.reasons
    assert "valueQuantity" not in finding
    assert finding["dataAbsentReason"]["coding"]
