"""The gateway in front of a real FHIR server: same rules, its records, no address of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import unquote
from uuid import uuid4

import pytest
import requests
from flask import Response

from sandbox.errors import FhirProblem
from sandbox.fhir.gateway import GatewayRecords
from sandbox.server import RunningSandbox
from tests.sandbox.conftest import open_hospital
from tests.sandbox.smart_client import FhirSession, SmartClient, observation, report, texts
from tests.sandbox.test_fhir_bundles import bundle, post, put
from tests.sandbox.upstream import Upstream


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream(tmp_path_factory.mktemp("upstream")).running() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    folder = tmp_path_factory.mktemp("gateway")
    with open_hospital(folder, fhir_url=upstream.base, page_size=2) as server:
        yield server


@pytest.fixture
def fhir(gateway: RunningSandbox) -> FhirSession:
    return SmartClient(gateway).fhir()


def test_demo_records_are_put_into_the_real_server(
    upstream: Upstream, gateway: RunningSandbox
) -> None:
    assert upstream.records.read("Patient", "clark-dan")["birthDate"] == "1930-10-19"
    endpoint = upstream.records.read("Endpoint", "hospital-dicomweb")
    assert endpoint["address"] == f"{gateway.base_url}/dicomweb"


def test_reads_and_refusals_are_those_of_the_hospital(fhir: FhirSession) -> None:
    assert fhir.get("/Patient/clark-dan").json()["gender"] == "male"
    assert fhir.get("/Patient/clark-dan").headers["ETag"] == 'W/"1"'
    assert fhir.get("/Patient/mayer-rosa").status_code == 403
    assert fhir.get("/Encounter/clark-dan-visit").status_code == 403
    assert fhir.get("/ImagingStudy/nowhere").status_code == 404
    assert fhir.get("/ImagingStudy?patient=mayer-rosa").status_code == 403
    assert fhir.get("/ImagingStudy?unknown=1").status_code == 400


def test_search_is_limited_to_the_patient_before_it_is_sent(
    upstream: Upstream, fhir: FhirSession
) -> None:
    upstream.seen.clear()
    path = "/ImagingStudy?_include=ImagingStudy:endpoint"
    found = fhir.get(path).json()
    kinds = [entry["resource"]["resourceType"] for entry in found["entry"]]
    assert kinds == ["ImagingStudy", "Endpoint"]
    assert "patient=Patient%2Fclark-dan" in upstream.seen[0][0]
    assert found["entry"][0]["fullUrl"].startswith(fhir.hospital.fhir_base)


def test_the_clients_token_never_reaches_the_real_server(
    upstream: Upstream, fhir: FhirSession
) -> None:
    upstream.seen.clear()
    fhir.get("/Patient/clark-dan")
    fhir.send("POST", "/Observation", observation())
    assert upstream.seen
    assert all("Authorization" not in headers for _, headers in upstream.seen)


def test_pages_are_followed_without_showing_the_real_address(
    upstream: Upstream, fhir: FhirSession
) -> None:
    made = [fhir.send("POST", "/Observation", observation()).json()["id"] for _ in range(5)]
    path: str | None = "/Observation?patient=clark-dan&_sort=_lastUpdated"
    found: list[str] = []
    while path:
        response = fhir.get(path)
        assert upstream.base not in response.text
        page = response.json()
        found += [entry["resource"]["id"] for entry in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next")
    assert [name for name in found if name in made] == made


def test_page_mark_cannot_be_turned_into_another_address(
    upstream: Upstream, gateway: RunningSandbox, fhir: FhirSession
) -> None:
    for text in ("@evil.example/", "http://evil.example/?x", "/../admin?x", "/Patient/x", "?a b"):
        mark = base64.urlsafe_b64encode(text.encode()).decode()
        assert fhir.get(f"/Observation?_page={mark}").status_code == 400
    assert fhir.get("/Observation?_page=!!").status_code == 400
    # A mark of another search still shows nothing of another patient or type.
    mark = base64.urlsafe_b64encode(b"/Patient?_id=mayer-rosa").decode()
    assert "entry" not in fhir.get(f"/Observation?_page={mark}").json()
    other = SmartClient(gateway).fhir(patient="mayer-rosa")
    theirs = base64.urlsafe_b64encode(b"/Observation?patient=Patient/clark-dan").decode()
    assert "entry" not in other.get(f"/Observation?_page={theirs}").json()


def test_writes_come_back_under_the_hospitals_address(fhir: FhirSession) -> None:
    base = fhir.hospital.fhir_base
    body = observation(subject={"reference": f"{base}/Patient/clark-dan"})
    made = fhir.send("POST", "/Observation", body)
    assert made.status_code == 201
    assert made.headers["Location"].startswith(f"{base}/Observation/")
    changed = fhir.send("PUT", "/Observation/gw-1", observation(id="gw-1"))
    stale = fhir.send("PUT", "/Observation/gw-1", observation(id="gw-1"), If_Match='W/"7"')
    assert (changed.status_code, stale.status_code) == (201, 412)
    lying = fhir.send("PUT", "/Observation/gw-1", observation(id="gw-1"), If_None_Match="*")
    assert lying.status_code == 412
    foreign = fhir.send("POST", "/Observation", observation("mayer-rosa"))
    assert foreign.status_code == 403


def test_transaction_and_conditional_create_go_through(fhir: FhirSession) -> None:
    named = put(report(id="gw-2")) | {"fullUrl": f"{fhir.hospital.fhir_base}/DiagnosticReport/gw-2"}
    done = fhir.send("POST", "", bundle(named, post(observation(), f"urn:uuid:{uuid4()}")))
    assert [e["response"]["status"][:3] for e in done.json()["entry"]] == ["201", "201"]
    body = observation(identifier=[{"system": "urn:test", "value": "gw"}])
    query = "identifier=urn:test|gw"
    first = fhir.send("POST", "/Observation", body, If_None_Exist=query)
    second = fhir.send("POST", "/Observation", body, If_None_Exist=query)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_refusals_of_the_real_server_are_handed_on(fhir: FhirSession) -> None:
    response = fhir.send("POST", "/DiagnosticReport", report(status="bogus"))
    assert response.status_code == 422
    assert "must be one of" in texts(response)


def test_reads_of_a_transaction_are_read_from_the_real_server(fhir: FhirSession) -> None:
    base = fhir.hospital.fhir_base
    write = put(observation(id="gw-9")) | {"fullUrl": f"{base}/Observation/gw-9"}
    reads = [
        {"request": {"method": "GET", "url": f"Observation/{name}"}} for name in ("gw-9", "none")
    ]
    answer = fhir.send("POST", "", bundle(reads[0], write, reads[1])).json()
    assert [e["response"]["status"][:3] for e in answer["entry"]] == ["200", "201", "404"]
    assert answer["entry"][0]["resource"]["id"] == "gw-9"


def test_validation_is_asked_of_the_real_server(upstream: Upstream, fhir: FhirSession) -> None:
    upstream.seen.clear()
    path = "/DiagnosticReport/$validate?mode=create"
    good, bad = (fhir.send("POST", path, report(status=s)).json() for s in ("final", "bogus"))
    assert [each["issue"][0]["severity"] for each in (good, bad)] == ["information", "error"]
    assert upstream.seen[-1][0] == "/baseR4/DiagnosticReport/$validate?mode=create"
    assert fhir.send("POST", path, report("mayer-rosa")).status_code == 403


def test_warnings_of_the_real_server_do_not_hide_its_error(fhir: FhirSession) -> None:
    response = fhir.send("POST", "", bundle(post(observation())))
    assert response.status_code == 422
    assert texts(response) == "entry missing fullUrl"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Response("<html>oops</html>", 200), 502),
        (Response("{", 200), 502),
        (Response("{}", 500), 502),
        (Response("{}", 401), 502),
        (Response("{}", 302, headers={"Location": "http://evil.example/"}), 502),
        (Response("{}", 429), 429),
    ],
)
def test_failures_of_the_real_server_become_outcomes(
    upstream: Upstream, fhir: FhirSession, failure: Response, status: int
) -> None:
    upstream.failure = failure
    try:
        response = fhir.get("/Patient/clark-dan")
    finally:
        upstream.failure = None
    assert response.status_code == status
    assert response.json()["resourceType"] == "OperationOutcome"


def test_server_that_is_not_there_is_said_so() -> None:
    away = GatewayRecords("http://127.0.0.1:9/fhir", "http://h/fhir/r4")
    assert not away.health()
    with pytest.raises(FhirProblem, match="did not answer"):
        away.read("Patient", "x")


def test_health_follows_the_real_server(upstream: Upstream, gateway: RunningSandbox) -> None:
    assert requests.get(f"{gateway.base_url}/healthz", timeout=10).status_code == 200
    upstream.failure = Response("{}", 503)
    try:
        assert requests.get(f"{gateway.base_url}/healthz", timeout=10).status_code == 503
    finally:
        upstream.failure = None


def test_older_versions_are_read_through(fhir: FhirSession) -> None:
    fhir.send("PUT", "/Observation/gw-3", observation(id="gw-3"))
    assert fhir.get("/Observation/gw-3/_history/1").status_code == 200
    assert fhir.get("/Observation/gw-3/_history/5").status_code == 404


def test_ids_cannot_smuggle_an_address_to_the_real_server(
    upstream: Upstream, fhir: FhirSession
) -> None:
    upstream.seen.clear()
    for name in ("clark-dan%3F_x=1", "%24everything", "clark-dan%23", "x%20y", "a" * 65):
        assert fhir.get(f"/Patient/{name}").status_code == 404
        body = observation(id=unquote(name))
        assert fhir.send("PUT", f"/Observation/{name}", body).status_code == 400
        asked = fhir.send("POST", "/Observation/$validate?mode=update", body)
        assert asked.status_code == 400
    assert fhir.get("/Patient/clark-dan/_history/1%3Fx").status_code == 404
    assert upstream.seen == []
