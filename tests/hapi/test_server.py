"""The server itself: real, validating, with subscriptions."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest

from tests.hapi.chart import FHIR_JSON, Chart

pytestmark = pytest.mark.integration
PATIENCE_S = 60


def test_it_is_a_hapi_of_r4(chart: Chart) -> None:
    metadata = chart.read("metadata?_summary=true")
    assert (metadata["software"]["name"], metadata["fhirVersion"]) == ("HAPI FHIR Server", "4.0.1")


@pytest.mark.parametrize(
    "wrong", [{"gender": "unheard-of"}, {"birthDate": "yesterday"}, {"shoeSize": 44}]
)
def test_what_is_no_valid_r4_is_refused(chart: Chart, wrong: dict[str, object]) -> None:
    refused = chart.send("POST", "/Patient", json={"resourceType": "Patient"} | wrong)
    assert refused.status_code in (400, 422)
    assert refused.json()["resourceType"] == "OperationOutcome"


def test_a_reference_to_nobody_is_refused(chart: Chart) -> None:
    study = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": {"reference": "Patient/nobody-is-called-so"},
    }
    assert chart.send("POST", "/ImagingStudy", json=study).status_code == 400


def test_a_subscription_tells_of_a_new_study(chart: Chart) -> None:
    patient = chart.put({"resourceType": "Patient", "id": f"watched-{uuid4()}"})["id"]
    with listening() as (address, heard):
        subscription = chart.put(
            {
                "resourceType": "Subscription",
                "id": f"watch-{uuid4()}",
                "status": "requested",
                "reason": "test",
                "criteria": f"ImagingStudy?patient=Patient/{patient}",
                "channel": {"type": "rest-hook", "endpoint": address, "payload": FHIR_JSON},
            }
        )
        wait_until_active(chart, f"Subscription/{subscription['id']}")
        study = {
            "resourceType": "ImagingStudy",
            "id": f"new-{uuid4()}",
            "status": "available",
            "subject": {"reference": f"Patient/{patient}"},
        }
        chart.put(study)
        assert heard.get(timeout=PATIENCE_S).endswith(f"/ImagingStudy/{study['id']}")
        chart.put(subscription | {"status": "off"})


def wait_until_active(chart: Chart, place: str) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_S * 5):
        if chart.read(place)["status"] == "active":
            return
        pause.wait(0.2)
    raise AssertionError("HAPI must activate a subscription; it did not")


@contextmanager
def listening() -> Iterator[tuple[str, queue.Queue[str]]]:
    """Hear the paths of what is sent to an address of ours."""
    heard: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.put(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT  # noqa: N815 (the name that http.server calls)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/told", heard
        finally:
            server.shutdown()
            thread.join()
