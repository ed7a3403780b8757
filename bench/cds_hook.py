"""A CDS Hooks call, from the EHR's request to the card; beside it the barest answer of the same
server. Wetread runs as in production; the EHR gives its keys and its record, and signs calls.

Once all is prefetched, once nothing: then Wetread asks the EHR's record itself. No worker runs, so
no model can.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from bench.rows import Row
from plugin.cds.service import SERVICE_PATH
from plugin.demo.files import PLUGIN_HOST, free_port
from plugin.launching.keys import SecretKeys
from plugin.readings import InstalledModel
from plugin.services import open_database
from plugin.settings import load_settings

# All together below the burst that one EHR may send.
CALLS = 60
WARM_UP = 5
# A long history: what a chart of many years prefetches.
STUDIES = 40
REPORTS = 120
KEY = ECKey.generate_key("P-384", {"kid": "bench", "use": "sig", "alg": "ES384"})
PATIENT = "bench-patient"


def measure() -> list[Row]:
    """Call in both ways, and ask for `/healthz`, in turn."""
    with _ehr() as ehr, _wetread(ehr) as plugin, requests.Session() as session:
        whole, alone = (json.dumps(_call(ehr, chart)).encode() for chart in (_chart(), {}))
        times: dict[str, list[float]] = {"prefetched": [], "fetched": [], "bare": []}
        for _ in range(CALLS + WARM_UP):
            for name, body in (("prefetched", whole), ("fetched", alone)):
                headers = {"Authorization": f"Bearer {_token(ehr, plugin)}"}
                times[name].append(_timed(partial(_answer, session, plugin, body, headers)))
            times["bare"].append(_timed(partial(session.get, f"{plugin}/healthz", timeout=5)))
    return _rows({name: sorted(found[WARM_UP:]) for name, found in times.items()}, len(whole))


def _rows(times: dict[str, list[float]], size: int) -> list[Row]:
    bare = statistics.median(times["bare"])
    chart = f"{STUDIES} studies, {REPORTS} reports"
    against, goal = "a bare /healthz of the same server", "under 500 ms"
    rows = []
    for name, how in (
        ("prefetched", f"{chart}, {size // 1024} KB"),
        ("fetched", f"{chart}, asked for by two searches"),
    ):
        found = times[name]
        what = f"CDS card ({how})"
        rows.append(Row(what, statistics.median(found), "ms", bare, against, goal))
        rows.append(Row("  slowest but 5 %", found[len(found) * 19 // 20], "ms", goal=goal))
    return rows


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _answer(
    session: requests.Session, plugin: str, body: bytes, headers: dict[str, str]
) -> None:  # fmt: skip
    sent = headers | {"Content-Type": "application/json"}
    answer = session.post(plugin + SERVICE_PATH, data=body, headers=sent, timeout=5)
    if answer.status_code != 200 or len(answer.json()["cards"]) != 1:
        sys.exit(f"the CDS service must answer with a card; it answered {answer.status_code}")


def _token(ehr: str, plugin: str) -> str:
    now = int(time.time())
    claims = {
        "iss": ehr, "aud": plugin + SERVICE_PATH, "iat": now, "exp": now + 60,
        "jti": str(uuid.uuid4()),
    }  # fmt: skip
    return jwt.encode({"alg": "ES384", "kid": "bench", "typ": "JWT"}, claims, KEY, ["ES384"])


def _chart() -> dict[str, Any]:
    """A long history, as prefetched."""
    subject = {"reference": f"Patient/{PATIENT}"}
    studies = [
        {
            "resourceType": "ImagingStudy", "id": f"study-{n}", "status": "available",
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:2.25.{n}"}],
            "subject": subject, "started": "2026-03-09", "numberOfInstances": 2,
            "description": "Chest X-ray in two views",
            "series": [
                {"uid": f"2.25.{n}.{s}", "modality": {"code": "DX"}, "numberOfInstances": 1,
                 "bodySite": {"display": "Chest"}, "instance": [{"uid": f"2.25.{n}.{s}.1"}]}
                for s in (1, 2)
            ],
        }
        for n in range(STUDIES)
    ]  # fmt: skip
    reports = [
        {
            "resourceType": "DiagnosticReport", "id": f"report-{n}", "status": "final",
            "subject": subject, "conclusion": "No acute finding. " * 20,
            # As long as the narrative of one of Wetread's own reports.
            "text": {"status": "generated", "div": f"<div>{'No acute finding. ' * 300}</div>"},
            "imagingStudy": [{"reference": f"ImagingStudy/study-{n % (STUDIES - 3)}"}],
        }
        for n in range(REPORTS)
    ]  # fmt: skip
    return {"studies": _bundle(studies), "reports": _bundle(reports)}


def _call(ehr: str, prefetched: dict[str, Any]) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": f"{ehr}/fhir",
        "fhirAuthorization": {
            "access_token": "bench",
            "token_type": "Bearer",
            "expires_in": 60,
            "scope": "patient/ImagingStudy.rs patient/DiagnosticReport.rs",
            "subject": "wetread",
        },
        "context": {"userId": "Practitioner/1", "patientId": PATIENT},
        "prefetch": prefetched,
    }


def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


class _Ehr(BaseHTTPRequestHandler):
    """Gives its keys, and its record to everybody: whose it is, is not measured here."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the kernel holds the body back for 40 ms

    def do_GET(self) -> None:
        """Answer by the last part of the path."""
        name = self.path.partition("?")[0].rpartition("/")[2]
        body = ANSWERS[name]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


ANSWERS = {
    "keys": json.dumps({"keys": [KEY.as_dict(private=False)]}).encode(),
    "ImagingStudy": json.dumps(_chart()["studies"]).encode(),
    "DiagnosticReport": json.dumps(_chart()["reports"]).encode(),
}


@contextmanager
def _ehr() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Ehr) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _wetread(ehr: str) -> Iterator[str]:
    """Run the web process alone; the database says which model a worker would have."""
    plugin = f"http://{PLUGIN_HOST}:{free_port(PLUGIN_HOST)}"
    registered = {
        "id": "bench", "name": "Bench", "issuer": f"{ehr}/fhir", "client_id": "wetread",
        "cds_issuer": ehr, "cds_jwks_url": f"{ehr}/keys",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        ours = {
            "WETREAD_BASE_URL": plugin,
            "WETREAD_BIND": plugin.removeprefix("http://"),
            "WETREAD_DATA_DIR": str(Path(folder) / "data"),
            "WETREAD_SECRET_KEYS": SecretKeys.generate().dump(),
            "WETREAD_EHRS": json.dumps([registered]),
            "WETREAD_LOG_LEVEL": "WARNING",
        }
        _install_model(ours)
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:plugin.web.gunicorn_config"],
            env={k: v for k, v in os.environ.items() if not k.startswith("WETREAD_")} | ours,
        )
        try:
            _wait(f"{plugin}/healthz")
            yield plugin
        finally:
            process.terminate()
            process.wait()


def _install_model(env: dict[str, str]) -> None:
    database = open_database(load_settings(env))
    facts = {"title": "Chest X-ray", "modalities": ["CR", "DX"], "limits": []}
    with database.session() as session:
        session.add(InstalledModel(name="chest_xray", facts=facts, card="", updated_at=0.0))
    database.close()


def _wait(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    sys.exit("the web process must answer; it does not")
