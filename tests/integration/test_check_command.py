"""`wetread check` beside a running demo, with a clinician's page open."""

from __future__ import annotations

import pytest

from plugin.demo.drive import Clinician
from plugin.demo.processes import RunningDemo
from tests.integration.checking import check

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def opened(demo: RunningDemo) -> RunningDemo:
    """The demo after one reading; its page is still open."""
    Clinician(demo.choices).read_once()
    return demo


def test_demo_hospital_passes_item_by_item_with_a_page_open(opened: RunningDemo) -> None:
    code, kinds, output = check(opened)
    assert "failure" not in kinds.values(), output
    assert code == 0
    for item in (
        "discovery", "jwks", "client", "write_mode", "scopes", "studies", "archive",
        "patient_numbers", "validate", "backend", "cds_keys",
    ):  # fmt: skip
        assert kinds[item] == "ok", output


def test_check_writes_nothing_into_the_record(opened: RunningDemo) -> None:
    fhir, _ = Clinician(opened.choices).observer("clark-dan")

    def versions() -> list[tuple[str, str]]:
        found = [
            one
            for kind in ("DiagnosticReport", "Observation")
            for one in fhir.search(kind, {"subject": "Patient/clark-dan"})
        ]
        return sorted((one["id"], one["meta"]["versionId"]) for one in found)

    before = versions()
    check(opened)
    assert versions() == before


def test_mistakes_of_a_registration_are_each_found(opened: RunningDemo) -> None:
    other = "https://elsewhere.example/mrn"
    code, kinds, output = check(opened, patient_id_systems={"HOSPITAL": other})
    assert (code, kinds["patient_id"]) == (1, "failure"), output
    code, kinds, output = check(opened, client_id="somebody")
    assert (code, kinds["client"]) == (1, "failure"), output
    wrong = opened.choices.issuer.removesuffix("/r4")
    code, kinds, output = check(opened, issuer=wrong)
    assert code == 1
    assert kinds["wrong_base"] == "failure", output
