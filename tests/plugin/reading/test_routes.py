"""The HTTP API of the reading page, with a real application and a worker's runner beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin import create_app
from plugin.api.study_list import has_seen, note_seen
from plugin.jobs.installed_models import publish_models
from plugin.launching.handles import EXTENSION
from plugin.services import Services
from plugin.settings import Settings
from plugin.workbench import Workshop
from tests.plugin.reading.conftest import Jobs, open_launch
from tests.plugin.reading.hospital import Hospital, Reply, outcome
from tests.plugin.reading.samples import FACTS, endpoint, imaging_study
from tests.plugin.reading.test_report import assert_valid

pytestmark = pytest.mark.integration


@pytest.fixture
def app(settings: Settings, services: Services) -> Iterator[Flask]:
    made = create_app(settings)
    own: Services = made.extensions[EXTENSION]
    made.extensions[EXTENSION] = services
    publish_models(services.database, [FACTS])
    yield made
    own.database.close()


class Page:
    """The reading page's requests."""

    def __init__(self, client: FlaskClient, handle: str) -> None:
        self.client, self.headers = client, {"Wetread-Handle": handle}

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any) -> Any:
        origin = {"Origin": "http://127.0.0.1:8081"}
        return self.client.post(path, json=body, headers=self.headers | origin)


@pytest.fixture
def page(app: Flask, services: Services) -> Page:
    return Page(app.test_client(), open_launch(services)[1])


def test_the_launch_names_patient_user_and_limits(page: Page) -> None:
    body = page.get("/api/launch").get_json()
    assert body["patient"]["name"] == "CLARK, Dan"
    assert body["patient"]["birth_date"] == "1930-10-19"
    assert body["patient"]["identifiers"][0]["value"] == "H-1001"
    assert body["patient"]["identifiers"][0]["label"] == "MRN"
    assert body["ehr"] == {"id": "north", "name": "North Hospital"}
    assert body["limits"] == ["Trained on few images."]
    assert body["writes"] is True


def test_from_the_list_to_the_report(page: Page, jobs: Jobs, hospital: Hospital) -> None:
    (study,) = page.get("/api/studies").get_json()["studies"]
    assert study["readable"] is True
    assert study["reading"] is None

    asked = page.post("/api/openings", {"study": study["id"]})
    assert asked.status_code == 202
    opening = f"/api/openings/{asked.get_json()['id']}"
    assert page.get(opening).get_json()["state"] == "queued"
    jobs.runner.open_study(asked.get_json()["id"])
    opened = page.get(opening).get_json()
    assert opened["state"] == "ready"
    (image,) = opened["images"]
    assert page.get(image["jpeg"]).data[:2] == b"\xff\xd8"
    values = page.get(image["values"]["url"])
    assert len(values.data) == image["values"]["rows"] * image["values"]["columns"] * 2
    assert values.headers["Cache-Control"] == "no-store"

    reading = page.post("/api/readings", {"study": study["id"]}).get_json()["id"]
    assert page.post("/api/readings", {"study": study["id"]}).get_json()["id"] == reading
    jobs.runner.read(reading)
    done = page.get(f"/api/readings/{reading}").get_json()
    assert done["state"] == "done"
    assert done["result"]["percent"] == "50 %"
    assert done["report"]["saved"] is True
    assert "journal" not in done["report"]
    assert page.get(done["result"]["heat_map"]).data[:4] == b"\x89PNG"
    assert page.get(done["report"]["pdf"]).data[:4] == b"%PDF"
    (study,) = page.get("/api/studies").get_json()["studies"]
    assert study["reading"] == {"id": reading, "state": "done", "read_at": done["read_at"]}
    assert study["reports"][0]["ours"] is True
    assert study["reports"][0]["reference"] == done["report"]["reference"]


@pytest.mark.parametrize("body", [None, [], {}, {"study": 7}, {"study": ""}, {"study": "x" * 65}])
@pytest.mark.parametrize("path", ["/api/openings", "/api/readings"])
def test_a_senseless_request_is_refused(page: Page, path: str, body: Any) -> None:
    answer = page.post(path, body)
    assert answer.status_code == 400
    assert answer.get_json()["problem"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "path", ["/api/launch", "/api/studies", "/api/openings/x", "/api/readings/x"]
)
def test_without_a_handle_nothing_is_shown(app: Flask, path: str) -> None:
    assert app.test_client().get(path).status_code == 401


def test_another_launch_sees_a_reading_only_after_its_own_token_read_the_study(
    page: Page, app: Flask, jobs: Jobs, services: Services, hospital: Hospital
) -> None:
    reading = page.post("/api/readings", {"study": "study-1"}).get_json()["id"]
    jobs.runner.read(reading)
    other = Page(app.test_client(), open_launch(services)[1])
    for path in ("", "/heat-map.png", "/report.pdf"):
        assert other.get(f"/api/readings/{reading}{path}").status_code == 404
    (study,) = other.get("/api/studies").get_json()["studies"]
    assert (study["reading"]["id"], study["reading"]["state"]) == (reading, "done")
    assert other.get(f"/api/readings/{reading}").get_json()["state"] == "done"


def test_a_launch_of_another_patient_sees_nothing(
    page: Page, app: Flask, jobs: Jobs, services: Services, hospital: Hospital
) -> None:
    reading = page.post("/api/readings", {"study": "study-1"}).get_json()["id"]
    opening = page.post("/api/openings", {"study": "study-1"}).get_json()["id"]
    jobs.runner.read(reading)
    jobs.runner.open_study(opening)
    hospital.add({"resourceType": "Patient", "id": "other"})
    other = Page(app.test_client(), open_launch(services, patient="other")[1])
    assert other.get("/api/studies").get_json()["studies"] == []
    for path in (f"/api/readings/{reading}", f"/api/openings/{opening}"):
        assert other.get(path).status_code == 404
    assert other.get(f"/api/openings/{opening}/images/1.jpg").status_code == 404


def test_a_study_of_another_patient_cannot_be_opened(
    page: Page, jobs: Jobs, hospital: Hospital
) -> None:
    hospital.change("ImagingStudy/study-1", subject={"reference": "Patient/other"})
    opening = page.post("/api/openings", {"study": "study-1"}).get_json()["id"]
    jobs.runner.open_study(opening)
    body = page.get(f"/api/openings/{opening}").get_json()
    assert body["state"] == "failed"
    assert body["problem"]["code"] == "study_not_found"
    assert body["images"] == []


def test_a_reading_over_fewer_images_is_not_offered_for_more(
    page: Page, jobs: Jobs, hospital: Hospital
) -> None:
    reading = page.post("/api/readings", {"study": "study-1"}).get_json()["id"]
    jobs.runner.read(reading)
    hospital.change("ImagingStudy/study-1", numberOfInstances=2)
    (study,) = page.get("/api/studies").get_json()["studies"]
    assert study["reading"] is None


def test_studies_that_cannot_be_read_say_why(page: Page, hospital: Hospital) -> None:
    hospital.add(endpoint("evil", "https://stranger.example/dicomweb"))
    evil = imaging_study(id="s2", contained=[], endpoint=[{"reference": "Endpoint/evil"}])
    hospital.add(evil)
    studies = {s["id"]: s for s in page.get("/api/studies").get_json()["studies"]}
    assert studies["s2"]["readable"] is False
    assert "not registered" in studies["s2"]["why_not"]


def test_without_the_scope_for_reports_the_list_has_none(page: Page, hospital: Hospital) -> None:
    hospital.trick("GET", "^/fhir/DiagnosticReport", outcome(403))
    (study,) = page.get("/api/studies").get_json()["studies"]
    assert study["reports"] == []


@pytest.mark.parametrize(
    "answer", [outcome(500), outcome(404), Reply(200, b"<html>")], ids=["500", "404", "html"]
)
def test_studies_are_shown_though_the_reports_cannot_be_listed(
    page: Page, hospital: Hospital, answer: Reply
) -> None:
    assert page.get("/api/studies").get_json()["reports_problem"] is None
    hospital.trick("GET", "^/fhir/DiagnosticReport", answer)
    body = page.get("/api/studies").get_json()
    assert [study["id"] for study in body["studies"]] == ["study-1"]
    assert "could not be listed" in body["reports_problem"]


def test_a_reading_says_when_the_images_were_read(
    page: Page, jobs: Jobs, hospital: Hospital
) -> None:
    reading = page.post("/api/readings", {"study": "study-1"}).get_json()["id"]
    assert page.get(f"/api/readings/{reading}").get_json()["read_at"] is None
    before = datetime.now(UTC).replace(microsecond=0)
    jobs.runner.read(reading)
    read_at = page.get(f"/api/readings/{reading}").get_json()["read_at"]
    assert before <= datetime.fromisoformat(read_at) <= datetime.now(UTC)


def test_a_reading_says_how_often_it_was_tried(page: Page, jobs: Jobs, hospital: Hospital) -> None:
    reading = page.post("/api/readings", {"study": "study-1"}).get_json()["id"]
    assert page.get(f"/api/readings/{reading}").get_json()["tries"] == 0
    hospital.trick("GET", "^/fhir/ImagingStudy", Reply(503), times=10)
    jobs.runner.read(reading)
    waiting = page.get(f"/api/readings/{reading}").get_json()
    assert (waiting["state"], waiting["tries"]) == ("queued", 1)


def test_lists_of_one_launch_at_the_same_moment_do_not_disturb_each_other(
    services: Services,
) -> None:
    studies = [f"study-{number}" for number in range(20)]
    start = threading.Barrier(6)

    def note(order: int) -> None:
        start.wait()
        note_seen(services.database, "launch", studies[:: 1 if order % 2 else -1])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(note, range(6)))
    note_seen(services.database, "launch", [])
    assert all(has_seen(services.database, "launch", study) for study in studies)


def test_a_record_that_is_down_is_said_in_words(page: Page, hospital: Hospital) -> None:
    hospital.trick("GET", "^/fhir/", outcome(500))
    answer = page.get("/api/studies")
    assert answer.status_code >= 500
    problem = answer.get_json()["problem"]
    assert all(problem[part] for part in ("code", "title", "text", "next_step"))


def test_pictures_that_were_deleted_are_said_to_be(page: Page, jobs: Jobs, shop: Workshop) -> None:
    opening = page.post("/api/openings", {"study": "study-1"}).get_json()["id"]
    jobs.runner.open_study(opening)
    shop.cache.purge(-1)
    answer = page.get(f"/api/openings/{opening}/images/1.jpg")
    assert answer.status_code == 404
    assert "deleted" in answer.get_json()["problem"]["text"]
    assert page.get(f"/api/openings/{opening}/images/9.jpg").status_code == 404


def test_the_code_system_is_public(app: Flask) -> None:
    answer = app.test_client().get("/fhir/CodeSystem/wetread")
    assert answer.mimetype == "application/fhir+json"
    assert_valid(answer.get_json())


def test_the_web_process_imports_no_pixel_library() -> None:
    """The worker renders; the web process stays small."""
    heavy = ("numpy", "pydicom", "cv2", "onnxruntime", "PIL", "dicomweb_client", "reportlab")
    code = (
        "import sys, plugin.api.study_routes\n"
        "import plugin.api.reading_routes, plugin.jobs.messages\n"
        "import plugin.launching.launch_routes, plugin.web.health_routes\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
