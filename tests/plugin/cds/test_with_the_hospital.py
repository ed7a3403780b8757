"""The demo hospital calls a running Wetread when a chart opens, and its card opens the study."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from html import unescape
from re import findall
from typing import Any

import pytest
import requests

from plugin.cds.service import SERVICE_PATH
from plugin.demo.drive import Clinician, launch_data
from plugin.demo.files import CLIENT_ID, EHR_ID, HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo
from sandbox.authorization.keys import open_signing_key

pytestmark = pytest.mark.integration
PATIENT = "clark-dan"
# Too young for the model.
CHILD = "lind-elsa"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    choices = DemoChoices(
        hospital_port=free_port(HOSPITAL_HOST),
        plugin_port=free_port(PLUGIN_HOST),
        card_budget_ms=10_000,  # What is said matters here, not how soon on a busy machine.
    )
    with running_demo(choices, tmp_path_factory.mktemp("demo")) as running:
        yield running


class Chart:
    """A clinician's browser at the hospital, without the browser."""

    def __init__(self, choices: DemoChoices) -> None:
        self.choices, self.session = choices, requests.Session()
        self.session.get(choices.hospital_url, timeout=30).raise_for_status()

    def cards(self, patient: str) -> str:
        """The cards as the chart shows them."""
        address = f"{self.choices.hospital_url}/viewer/patients/{patient}/cards"
        answer = self.session.get(address, timeout=30).json()
        assert answer["problems"] == []
        return unescape(answer["cards"])

    def open(self, patient: str, app_context: str) -> dict[str, Any]:
        """Follow a card's link: launch, sign in, and ask the page what it was opened for."""
        body = {"client_id": CLIENT_ID, "patient": patient, "app_context": app_context}
        origin = {"Origin": self.choices.hospital_url}
        address = f"{self.choices.hospital_url}/viewer/launches"
        minted = self.session.post(address, json=body, headers=origin, timeout=30)
        start = launch_data(requests.get(minted.json()["url"], timeout=30).text)
        query = Clinician(self.choices)._follow_authorize(start["authorize"])
        finished = requests.post(
            f"{self.choices.plugin_url}/callback/{EHR_ID}",
            json={name: query[name] for name in ("code", "state", "iss")}
            | {"binder": start["binder"]},
            headers={"Origin": self.choices.plugin_url},
            timeout=60,
        )
        handle = {"Wetread-Handle": finished.json()["handle"]}
        page = requests.get(f"{self.choices.plugin_url}/api/launch", headers=handle, timeout=30)
        told: dict[str, Any] = page.json()
        return told


def test_chart_shows_a_card_and_its_link_opens_the_study(demo: RunningDemo) -> None:
    chart = Chart(demo.choices)
    shown = chart.cards(PATIENT)
    assert "Chest X-ray of 9 Mar 2026: no report in the chart yet" in shown
    (context,) = findall(r'data-app-context="(.*?)">', shown)
    told = chart.open(PATIENT, context)
    assert told["study"] == json.loads(context)["study"] == "clark-dan-chest-xray"
    Clinician(demo.choices).read_once(PATIENT)
    assert "only an unverified AI reading" in chart.cards(PATIENT)


def test_card_says_that_a_study_could_not_be_read(demo: RunningDemo) -> None:
    assert Clinician(demo.choices).read_once(CHILD).probability is None
    assert "no report but the AI's, which could not read it" in Chart(demo.choices).cards(CHILD)


def test_chart_of_a_patient_without_chest_images_shows_no_card(demo: RunningDemo) -> None:
    chart = Chart(demo.choices)
    patients = chart.session.get(f"{demo.choices.hospital_url}/viewer/patients", timeout=30).json()
    shown = {one["id"]: chart.cards(one["id"]) for one in patients["patients"]}
    # The leg of the patient with several studies is not mentioned, nor a study without images.
    assert all("leg" not in text.lower() for text in shown.values())
    assert "" in {text.strip() for text in shown.values()}


@pytest.mark.parametrize("size", ["Content-Length: 300000", "Transfer-Encoding: chunked"])
def test_web_process_waits_for_no_body_without_an_end(demo: RunningDemo, size: str) -> None:
    hospital, plugin = demo.choices.hospital_url, demo.choices.plugin_url
    (kept,) = demo.folder.rglob("cds_signing_key.json")
    now = int(time.time())
    claims = {
        "iss": hospital, "aud": plugin + SERVICE_PATH, "iat": now, "exp": now + 60,
        "jti": str(uuid.uuid4()),
    }  # fmt: skip
    token = open_signing_key(kept, "ES384").sign(claims)
    sent = (
        f"POST {SERVICE_PATH} HTTP/1.1\r\nHost: {plugin.removeprefix('http://')}\r\n{size}\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
        "1\r\n{\r\n"
    )
    address = (PLUGIN_HOST, demo.choices.plugin_port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent.encode())
        assert connection.recv(12).endswith(b"408")
