"""`wetread check` in front of a real validating server."""

from __future__ import annotations

import pytest

from tests.hapi.clinic import Clinic
from tests.integration.checking import check

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def opened(clinic: Clinic) -> Clinic:
    """The clinic with one page open, and nothing read."""
    clinic.clinician.launch(clinic.patients[0])
    return clinic


def test_hapi_would_take_what_a_reading_writes_and_keeps_nothing_of_it(opened: Clinic) -> None:
    code, kinds, output = check(opened.demo)
    assert code == 0, output
    assert (kinds["validate"], kinds["write_mode"], kinds["patient_numbers"]) == ("ok",) * 3, output
    assert opened.reports(opened.patients[0]) == []
    assert opened.findings(opened.patients[0]) == []


def test_label_that_hapi_does_not_know_is_found_before_anybody_reads(opened: Clinic) -> None:
    code, kinds, output = check(opened.demo, ai_security_label=True)
    assert (code, kinds["validate"]) == (1, "failure"), output
    assert "ai_security_label" in output
