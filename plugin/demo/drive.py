"""Walk the way of a clinician's click over HTTP, without a browser, and read the record back.

Every request is one that the browser would make; only the JavaScript's part (keep the binder,
follow the redirect, post the code) is done here. The DiagnosticReport is then read from the FHIR
server with a token of another client.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from plugin.demo.files import (
    CLIENT_ID,
    EHR_ID,
    OBSERVER_ID,
    OBSERVER_REDIRECT,
    OBSERVER_SCOPES,
    DemoChoices,
)
from plugin.demo.processes import DemoError
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from smart_launch.launch import begin_launch, finish_launch
from smart_launch.registration import ClientRegistration

DEMO_PATIENT = "clark-dan"
READING_LIMIT_S = 120.0
POLL_S = 0.05
ENDED = ("done", "failed", "awaiting_launch")


@dataclass
class Outcome:
    """What one driven reading ended in; the JSON of ``wetread demo --once --json``.

    Attributes
    ----------
    report, observation : str
        ``Type/id`` on the FHIR server.
    probability : float or None
        Covid-19 probability as read back from the record; None when the images cannot be read.
    reasons : list of str
        Why they cannot be read.
    timings_ms : dict
        Milliseconds per step.
    """

    report: str
    observation: str
    probability: float | None
    reasons: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)


class Clinician:
    """A clinician at the demo hospital's viewer, as a sequence of HTTP requests.

    Parameters
    ----------
    choices : DemoChoices
        Addresses of the two sides.
    """

    def __init__(self, choices: DemoChoices) -> None:
        self._choices = choices
        self._http = requests.Session()
        self._timings: dict[str, float] = {}
        self._expect(self._http.get(choices.hospital_url, timeout=30), "open the viewer")

    def read_once(self, patient: str | None = None, study: str | None = None) -> Outcome:
        """Launch Wetread on a study, have it read, and read the report back.

        Parameters
        ----------
        patient, study : str, optional
            Patient and ImagingStudy id; by default the demo patient, or the first picture's where
            a folder was given.

        Raises
        ------
        DemoError
            Any step failed; the message says which.
        """
        patient = patient or self._first_patient()
        handle = self._timed("launch", lambda: self.launch(patient, study))
        study = study or self._timed("list_studies", lambda: self._first_study(handle))
        reading = self._timed("click_to_report", lambda: self._read(handle, study))
        report, observation = self._timed("read_back", lambda: self._read_back(patient, reading))
        return self._outcome(reading, report, observation)

    def _timed(self, step: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self._timings[step] = round((time.perf_counter() - started) * 1000, 1)
        return result

    def _first_patient(self) -> str:
        if self._choices.images is None:
            return DEMO_PATIENT
        patients = self.patients_from_images()
        if not patients:
            raise DemoError(
                "the folder of --images must hold at least one readable picture; it holds none"
            )
        return patients[0]

    def patients_from_images(self) -> list[str]:
        """List the ids of the patients made from the folder, in the order of the files' names."""
        address = f"{self._choices.hospital_url}/viewer/patients?source=images"
        answer = self._expect(self._http.get(address, timeout=30), "list the patients")
        return [str(patient["id"]) for patient in answer.json()["patients"]]

    def mint(self, client_id: str, patient: str, study: str | None = None) -> dict[str, str]:
        """Have the viewer make a launch, as its page does when a chart is opened."""
        body = {"client_id": client_id, "patient": patient} | ({"study": study} if study else {})
        address = f"{self._choices.hospital_url}/viewer/launches"
        # The Origin header is what the viewer's own page would send.
        answer = self._http.post(
            address, json=body, headers={"Origin": self._choices.hospital_url}, timeout=30
        )
        launch: dict[str, str] = self._expect(answer, "make a launch").json()
        return launch

    def launch(self, patient: str, study: str | None = None) -> str:
        """Do the browser's part of an EHR launch; returns the handle."""
        page = self._expect(
            requests.get(self.mint(CLIENT_ID, patient, study)["url"], timeout=30), "open /launch"
        )
        start = launch_data(page.text)
        query = self._follow_authorize(start["authorize"])
        address = f"{self._choices.plugin_url}/callback/{EHR_ID}"
        self._expect(requests.get(address, timeout=30), "open the callback page")
        body = {name: query[name] for name in ("code", "state", "iss") if name in query}
        answer = requests.post(
            address,
            json=body | {"binder": start["binder"]},
            headers={"Origin": self._choices.plugin_url},
            timeout=60,
        )
        return str(self._expect(answer, "finish the launch").json()["handle"])

    def _follow_authorize(self, address: str) -> dict[str, str]:
        """Ask the authorization server; it answers with a redirect and no page in an EHR launch."""
        answer = requests.get(address, allow_redirects=False, timeout=30)
        location = answer.headers.get("Location", "")
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        if answer.status_code not in (302, 303) or "code" not in query:
            raise DemoError(
                "the authorization server must answer with a code; it answered "
                f"{answer.status_code} {query.get('error', '')}".strip()
            )
        return query

    def _first_study(self, handle: str) -> str:
        studies = self.ask("GET", "/api/studies", handle)["studies"]
        readable = [entry for entry in studies if entry["readable"]] or studies
        if not readable:
            raise DemoError("the patient must have an imaging study; there is none")
        return str(readable[0]["id"])

    def _read(self, handle: str, study: str) -> dict[str, Any]:
        """Click, poll until it has ended."""
        reading = self.ask("POST", "/api/readings", handle, {"study": study})["id"]
        deadline = time.monotonic() + READING_LIMIT_S
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.ask("GET", f"/api/readings/{reading}", handle)
            if state["state"] in ENDED:
                return state
            time.sleep(POLL_S)
        raise DemoError(f"a reading must end within {READING_LIMIT_S:.0f} s; it did not")

    def ask(self, method: str, path: str, handle: str, body: Any = None) -> Any:
        """Ask Wetread as its page does; returns the JSON of the answer."""
        answer = self._http.request(
            method,
            f"{self._choices.plugin_url}{path}",
            json=body,
            headers={"Wetread-Handle": handle, "Origin": self._choices.plugin_url},
            timeout=30,
        )
        return self._expect(answer, f"{method} {path}").json()

    def _read_back(
        self, patient: str, reading: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read report and Observation from the FHIR server, as a client that is not Wetread."""
        report = reading.get("report") or {}
        if reading["state"] != "done" or not report.get("saved"):
            problem = reading.get("problem") or {}
            raise DemoError(f"the report must be saved; {problem.get('text') or reading['state']}")
        fhir, _ = self.observer(patient)
        kinds = [report[key].split("/") for key in ("reference", "observation")]
        found = [fhir.read(kind, key) for kind, key in kinds]
        if any(resource["subject"]["reference"].split("/")[-1] != patient for resource in found):
            raise DemoError("report and Observation must be the launch patient's; they are not")
        return found[0], found[1]

    def observer(self, patient: str) -> tuple[FhirClient, str]:
        """Launch the second client on a patient; gives its FHIR client and its token."""
        registration = ClientRegistration(
            issuer=self._choices.issuer,
            client_id=OBSERVER_ID,
            authentication="public",
            redirect_uri=OBSERVER_REDIRECT,
            scopes=tuple(OBSERVER_SCOPES.split()),
        )
        http = Http()
        launch = self.mint(OBSERVER_ID, patient)["launch"]
        configuration, request = begin_launch(http, registration, launch=launch)
        done = finish_launch(
            http,
            registration,
            configuration,
            code=self._follow_authorize(request.url)["code"],
            code_verifier=request.code_verifier,
            nonce=request.nonce,
            keys=None,
        )
        token = done.tokens.access_token
        return FhirClient(self._choices.issuer, token, http=http), token

    def _outcome(
        self, reading: dict[str, Any], report: dict[str, Any], observation: dict[str, Any]
    ) -> Outcome:
        value = observation.get("valueQuantity")
        reasons = (reading.get("result") or {}).get("reasons") or []
        return Outcome(
            report=f"DiagnosticReport/{report['id']}",
            observation=f"Observation/{observation['id']}",
            probability=None if value is None else float(value["value"]),
            reasons=[reason["sentence"] for reason in reasons],
            timings_ms=self._timings | dict(reading.get("timings_ms") or {}),
        )

    @staticmethod
    def _expect(answer: requests.Response, step: str) -> requests.Response:
        if answer.ok:
            return answer
        try:
            text = answer.json()["problem"]["text"]
        except (ValueError, KeyError, TypeError):
            text = ""
        raise DemoError(
            f"{step}: the answer must be a success; it was {answer.status_code} {text}".strip()
        )


class _LaunchScript(HTMLParser):
    """Finds ``<script type="application/json" id="launch">``."""

    def __init__(self) -> None:
        super().__init__()
        self._inside = False
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and ("id", "launch") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data


def launch_data(page: str) -> dict[str, str]:
    """Take state, binder and authorize address from the page of GET ``/launch``.

    Raises
    ------
    DemoError
        The page carries no such data.
    """
    parser = _LaunchScript()
    parser.feed(page)
    if not parser.text:
        raise DemoError(
            '/launch must carry <script type="application/json" id="launch">; it does not'
        )
    data: dict[str, str] = json.loads(parser.text)
    return data
