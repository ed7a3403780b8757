"""An earlier reading's report: what is said of it is what the chart says now, to this user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from plugin import create_app
from plugin.jobs.installed_models import publish_models
from plugin.launching.handles import EXTENSION
from plugin.launching.launches import OpenLaunch
from plugin.readings import Reading
from plugin.scopes import DEFAULT_SCOPES
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.reading.conftest import Jobs, open_launch
from tests.plugin.reading.hospital import Hospital, Request, outcome
from tests.plugin.reading.samples import FACTS

pytestmark = pytest.mark.integration


@pytest.fixture
def app(settings: Settings, services: Services) -> Iterator[Flask]:
    made = create_app(settings)
    own: Services = made.extensions[EXTENSION]
    made.extensions[EXTENSION] = services
    publish_models(services.database, [FACTS])
    yield made
    own.database.close()


Show = Callable[[str], Any]


@pytest.fixture
def later(app: Flask, services: Services) -> Show:
    """Another user's page of the same patient."""
    headers = {"Wetread-Handle": open_launch(services, subject="p2")[1]}
    client = app.test_client()

    def show(path: str) -> Any:
        client.get("/api/studies", headers=headers)
        return client.get(path, headers=headers)

    return show


def place_of(hospital: Hospital) -> str:
    (report,) = hospital.of_type("DiagnosticReport")
    return f"DiagnosticReport/{report['id']}"


def test_a_report_that_is_still_as_it_was_is_said_to_be_there(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, later: Show
) -> None:
    row = jobs.read(launch)
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert report["sentence"] == "The preliminary report is in the record."
    assert (report["saved"], report["status"], report["status_now"]) == (
        True,
        "preliminary",
        "preliminary",
    )


@pytest.mark.parametrize("status", ["final", "entered-in-error", "cancelled"])
def test_a_report_that_was_changed_since_is_told_with_its_status_now(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, later: Show, status: str
) -> None:
    row = jobs.read(launch)
    hospital.change(place_of(hospital), status=status)
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert report["status_now"] == status
    assert report["sentence"].endswith(f"now its status is {status}.")


def test_the_page_that_asked_hears_of_a_change_too_when_it_looks_again_later(
    app: Flask, services: Services, jobs: Jobs, hospital: Hospital
) -> None:
    launch_id, handle = open_launch(services)
    row = jobs.read(services.launches.get(launch_id))
    hospital.change(place_of(hospital), status="final")
    an_hour_ago = (
        update(Reading).where(Reading.id == row.id).values(updated_at=row.updated_at - 3600)
    )
    with services.database.session() as session:
        session.execute(an_hour_ago)
    answer = app.test_client().get(f"/api/readings/{row.id}", headers={"Wetread-Handle": handle})
    assert answer.get_json()["report"]["status_now"] == "final"


def test_a_report_that_is_gone_is_not_said_to_be_there(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, later: Show
) -> None:
    row = jobs.read(launch)
    del hospital.resources[place_of(hospital)]
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert report["status_now"] is None
    assert "now it is not there" in report["sentence"]


def test_a_report_that_was_moved_to_another_patient_is_not_said_to_be_here(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, later: Show
) -> None:
    row = jobs.read(launch)
    hospital.change(place_of(hospital), subject={"reference": "Patient/other"})
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert report["status_now"] is None
    assert "another patient" in report["sentence"]


def test_a_record_that_does_not_answer_leaves_it_open(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, later: Show
) -> None:
    row = jobs.read(launch)
    hospital.trick("GET", "^/fhir/DiagnosticReport/", outcome(500))
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert "could not be found out" in report["sentence"]


def test_why_somebody_elses_report_was_not_saved_is_not_told_to_others(
    jobs: Jobs, services: Services, later: Show
) -> None:
    reads_only = tuple(scope for scope in DEFAULT_SCOPES if "crus" not in scope)
    row = jobs.read(services.launches.get(open_launch(services, granted=reads_only)[0]))
    assert row.report is not None
    assert "your sign-in" in row.report["sentence"]
    report = later(f"/api/readings/{row.id}").get_json()["report"]
    assert report["sentence"] == "When this was read, no report was saved."


def test_the_pictures_of_a_doubted_reading_are_not_shown(
    jobs: Jobs, hospital: Hospital, services: Services, app: Flask
) -> None:
    def reassign(_: Request) -> None:
        hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})

    launch_id, handle = open_launch(services)
    hospital.trick("GET", "^/dicomweb/", reassign, times=1)
    row = jobs.read(services.launches.get(launch_id))
    assert row.result is None
    folder = jobs.runner.shop.cache.results(row.id)
    folder.mkdir(parents=True)
    for name in ("heat-map.png", "report.pdf"):
        (folder / name).write_bytes(b"left by somebody")
        answer = app.test_client().get(
            f"/api/readings/{row.id}/{name}", headers={"Wetread-Handle": handle}
        )
        assert answer.status_code == 404
