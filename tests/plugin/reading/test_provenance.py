"""A record that refuses the Provenance, such as one that does not hold the user who launched."""

from __future__ import annotations

import pytest

from plugin.launching.launches import OpenLaunch
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.test_requests import assert_saved, forget_reports

pytestmark = pytest.mark.integration


def refuses_provenance(hospital: Hospital) -> None:
    """Refuse it alone, and every transaction that holds one, as HAPI does."""

    def refuse(request: Request) -> Reply | None:
        return outcome(400) if b'"Provenance"' in request.body else None

    hospital.trick("POST", "^/fhir", refuse)


def test_a_report_is_not_lost_for_a_provenance_that_is_refused(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    refuses_provenance(hospital)
    row = jobs.read(launch)
    assert_saved(row)
    assert row.attempts == 1
    assert len(hospital.of_type("DiagnosticReport")) == 1
    assert len(hospital.asked("POST", "^/fhir/Provenance")) == 1
    forget_reports(hospital)
    assert_saved(jobs.read(launch))
    # From then on it is sent apart, and nothing else is given up.
    (sent,) = hospital.asked("POST", "^/fhir/?$")
    assert b'"GET"' in sent.body
    assert b"ifNoneMatch" in sent.body
    assert len(hospital.asked("POST", "^/fhir/Provenance")) == 1


def test_a_provenance_sent_apart_is_owed_when_the_answer_to_the_report_was_lost(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    def refuse_then_lose(request: Request) -> Reply:
        if b'"Provenance"' in request.body:
            return outcome(400)
        hospital._fhir(request)
        return outcome(503)

    hospital.trick("POST", "^/fhir/?$", refuse_then_lose)
    row = jobs.read(launch)
    assert_saved(row)
    assert row.attempts == 2
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind


def test_a_provenance_begun_apart_stays_apart_and_is_written_once(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    steps = iter([outcome(400), outcome(503)])

    def refuse_then_fail(_: Request) -> Reply | None:
        return next(steps, None)

    hospital.trick("POST", "^/fhir/?$", refuse_then_fail)
    row = jobs.read(launch)
    assert_saved(row)
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(hospital.of_type(kind)) == 1, kind
    assert len(hospital.asked("POST", "^/fhir/Provenance")) == 1
