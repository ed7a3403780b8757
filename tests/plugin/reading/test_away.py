"""A hospital system that is away for a while: a reading outlasts a restart, but not an error."""

from __future__ import annotations

import pytest

from plugin.jobs.job_runner import MORE_TRIES_WHILE_AWAY
from plugin.launching.launches import OpenLaunch
from plugin.readings import DONE, FAILED
from tests.plugin.reading.conftest import Jobs, assert_stopped_cleanly
from tests.plugin.reading.hospital import Hospital, Reply, outcome

STUDIES = "^/fhir/ImagingStudy"


def tries(jobs: Jobs) -> int:
    return jobs.runner.settings.job_attempts


@pytest.mark.parametrize("reply", [outcome(503), outcome(502), Reply(503)])
def test_a_reading_outlasts_a_record_that_is_restarted(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, reply: Reply
) -> None:
    asked = tries(jobs) + MORE_TRIES_WHILE_AWAY - 1
    # The client repeats each of its searches itself before a try has failed.
    repeats = jobs.runner.shop.services.http.limits.attempts
    hospital.trick("GET", STUDIES, reply, times=asked * repeats)
    row = jobs.read(launch)
    assert (row.state, row.attempts) == (DONE, asked + 1)
    assert len(hospital.of_type("DiagnosticReport")) == 1


def test_a_record_that_stays_away_fails_the_reading_in_the_end(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.trick("GET", STUDIES, outcome(503))
    row = jobs.read(launch)
    assert_stopped_cleanly(row, hospital, "record_unavailable")
    assert row.attempts == tries(jobs) + MORE_TRIES_WHILE_AWAY


@pytest.mark.parametrize("reply", [outcome(500), outcome(504)])
def test_an_error_of_the_record_is_not_waited_for_as_long(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, reply: Reply
) -> None:
    hospital.trick("GET", STUDIES, reply)
    row = jobs.read(launch)
    assert (row.state, row.attempts) == (FAILED, tries(jobs))


def test_whoever_waits_for_pictures_hears_soon_that_the_record_is_away(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.trick("GET", STUDIES, outcome(503))
    row_id = jobs.ask_opening(launch)
    for _ in range(tries(jobs)):
        jobs.runner.open_study(row_id)
    found = jobs.runner.openings.get(row_id)
    assert found is not None
    assert (found.state, found.attempts) == (FAILED, tries(jobs))
