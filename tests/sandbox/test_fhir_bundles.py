"""Transactions and batches (FHIR R4, "batch/transaction")."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import FhirSession, SmartClient, observation, report, texts


@pytest.fixture(scope="module")
def fhir(hospital: RunningSandbox) -> FhirSession:
    return SmartClient(hospital).fhir()


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post(resource: dict[str, Any], full_url: str | None = None, **request: str) -> dict[str, Any]:
    asked = {"method": "POST", "url": resource["resourceType"], **request}
    entry = {"resource": resource, "request": asked}
    return {"fullUrl": full_url, **entry} if full_url else entry


def put(resource: dict[str, Any], **request: str) -> dict[str, Any]:
    address = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": address, **request}}


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def send(
    fhir: FhirSession, *entries: dict[str, Any], kind: str = "transaction", **headers: str
) -> Any:
    return fhir.send("POST", "", bundle(*entries, kind=kind), **headers)


def statuses(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [entry["response"]["status"][:3] for entry in response.json()["entry"]]


def test_entries_refer_to_each_other_in_any_order(fhir: FhirSession) -> None:
    name = urn()
    response = send(
        fhir,
        post(
            {
                "resourceType": "Provenance",
                "target": [{"reference": "DiagnosticReport/tx-1"}, {"reference": name}],
                "recorded": "2026-03-09T10:00:00Z",
                "agent": [{"who": {"reference": "Practitioner/demo-radiologist"}}],
            }
        ),
        put(report(id="tx-1", result=[{"reference": name}])),
        post(observation(), name),
    )
    assert statuses(response) == ["201", "201", "201"]
    locations = [entry["response"]["location"] for entry in response.json()["entry"]]
    stored = fhir.get("/DiagnosticReport/tx-1").json()
    assert locations[2].startswith(stored["result"][0]["reference"] + "/_history/1")
    assert locations[0].startswith("Provenance/")


def test_one_bad_entry_leaves_nothing_behind(fhir: FhirSession) -> None:
    response = send(fhir, put(observation(id="tx-2")), put(report(id="tx-3", status="bogus")))
    assert response.status_code == 422
    assert "entry 1" in texts(response)
    assert fhir.get("/Observation/tx-2").status_code == 404


def test_if_match_and_if_none_exist_hold_inside_a_transaction(fhir: FhirSession) -> None:
    assert statuses(send(fhir, put(observation(id="tx-4")))) == ["201"]
    stale = send(fhir, put(observation(id="tx-4"), ifMatch='W/"7"'), put(observation(id="tx-5")))
    assert stale.status_code == 412
    assert fhir.get("/Observation/tx-5").status_code == 404
    name = urn()
    body = observation(identifier=[{"system": "urn:test", "value": "tx-once"}])
    once = {"ifNoneExist": "identifier=urn:test|tx-once"}
    first = send(fhir, post(body, **once))
    again = send(
        fhir, post(body, name, **once), put(report(id="tx-6", result=[{"reference": name}]))
    )
    assert statuses(first) == ["201"]
    assert statuses(again) == ["200", "201"]
    found = fhir.ids("/Observation?identifier=urn:test|tx-once")
    stored = fhir.get("/DiagnosticReport/tx-6").json()
    assert stored["result"] == [{"reference": f"Observation/{found[0]}"}]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_if_none_match_holds_inside_a_bundle(fhir: FhirSession, kind: str) -> None:
    entry = put(observation(id=f"tx-new-{kind}"), ifNoneMatch="*")
    assert statuses(send(fhir, entry, kind=kind)) == ["201"]
    again = send(fhir, entry, kind=kind)
    assert (again.status_code if kind == "transaction" else int(statuses(again)[0])) == 412


def test_answers_show_resources_only_when_asked(fhir: FhirSession) -> None:
    plain = send(fhir, post(observation())).json()
    full = send(fhir, post(observation()), Prefer="return=representation").json()
    assert "resource" not in plain["entry"][0]
    assert full["entry"][0]["resource"]["resourceType"] == "Observation"


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({}, 400),
        ({"request": {"method": "POST"}}, 400),
        ({"request": {"method": "DELETE", "url": "Observation/x"}}, 405),
        ({"request": {"method": "POST", "url": "Observation"}}, 400),
        ({"resource": observation(), "request": {"method": "POST", "url": "Patient"}}, 400),
        ({"resource": observation(), "request": {"method": "POST", "url": "Observation/x"}}, 400),
        ({"resource": observation(), "request": {"method": "PUT", "url": "Observation"}}, 400),
        (
            {
                "resource": observation(id="x"),
                "request": {"method": "PUT", "url": "Observation?identifier=y"},
            },
            400,
        ),
        (
            {"resource": observation(id="a"), "request": {"method": "PUT", "url": "Observation/b"}},
            400,
        ),
        (
            {
                "resource": observation(),
                "request": {"method": "POST", "url": "https://evil.example/Observation"},
            },
            400,
        ),
        (
            {
                "fullUrl": "Patient/mayer-rosa",
                "resource": observation(),
                "request": {"method": "POST", "url": "Observation"},
            },
            400,
        ),
    ],
)
def test_malformed_entries_are_refused(
    fhir: FhirSession, entry: dict[str, Any], status: int
) -> None:
    assert send(fhir, entry).status_code == status


def test_same_record_twice_and_same_name_twice_are_refused(fhir: FhirSession) -> None:
    body = observation(id="tx-7")
    assert send(fhir, put(body), put(body)).status_code == 400
    name = urn()
    assert send(fhir, post(observation(), name), post(observation(), name)).status_code == 400


@pytest.mark.parametrize("kind", ["collection", "searchset", "message", ""])
def test_other_bundles_are_refused(fhir: FhirSession, kind: str) -> None:
    assert send(fhir, post(observation()), kind=kind).status_code == 400


def test_unresolved_names_are_refused(fhir: FhirSession) -> None:
    response = send(fhir, put(report(id="tx-8", result=[{"reference": urn()}])))
    assert response.status_code == 422


def test_batch_entries_stand_for_themselves(fhir: FhirSession) -> None:
    response = send(
        fhir,
        put(observation(id="batch-1")),
        put(observation(id="batch-2", status="bogus")),
        {"request": {"method": "GET", "url": "Patient/clark-dan"}},
        {"request": {"method": "GET", "url": "Patient/mayer-rosa"}},
        {"request": {"method": "GET", "url": "ImagingStudy?status=available"}},
        post(observation("mayer-rosa")),
        kind="batch",
    )
    assert statuses(response) == ["201", "422", "200", "403", "200", "403"]
    entries = response.json()["entry"]
    assert entries[3]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    found = [e["resource"]["id"] for e in entries[4]["resource"]["entry"]]
    assert found == ["clark-dan-chest-xray"]


def get(url: str) -> dict[str, Any]:
    return {"request": {"method": "GET", "url": url}}


def test_batch_of_reads_answers_as_the_single_requests_would(fhir: FhirSession) -> None:
    study = "ImagingStudy/clark-dan-chest-xray"
    query = "ImagingStudy?_id=clark-dan-chest-xray&_include=ImagingStudy:subject"
    response = send(fhir, get(study), get(query), kind="batch")
    read, found = response.json()["entry"]
    alone = fhir.get(f"/{study}")
    assert (read["resource"], read["response"]["etag"]) == (alone.json(), alone.headers["ETag"])
    assert found["resource"] == fhir.get(f"/{query}").json()


def test_batch_of_reads_is_guarded_entry_by_entry(hospital: RunningSandbox) -> None:
    narrow = SmartClient(hospital).fhir("launch patient/ImagingStudy.rs")
    response = send(
        narrow,
        get("ImagingStudy?patient=mayer-rosa"),
        get("ImagingStudy?_include=ImagingStudy:subject"),
        get("Patient/clark-dan"),
        get("ImagingStudy/clark-dan-chest-xray"),
        kind="batch",
    )
    assert statuses(response) == ["403", "403", "403", "200"]


def test_writes_of_a_batch_show_no_bodies_unless_asked(fhir: FhirSession) -> None:
    entries = (put(observation(id="batch-3")), get("Patient/clark-dan"))
    plain = send(fhir, *entries, kind="batch").json()["entry"]
    full = send(fhir, *entries, kind="batch", Prefer="return=representation").json()["entry"]
    assert ["resource" in entry for entry in plain] == [False, True]
    assert ["resource" in entry for entry in full] == [True, True]


def test_includes_of_a_search_stay_within_scope_and_patient(
    hospital: RunningSandbox, fhir: FhirSession
) -> None:
    send(fhir, put(observation(id="inc-1")))
    send(fhir, put(report(id="inc-2", result=[{"reference": "Observation/inc-1"}])))
    path = "/DiagnosticReport?_id=inc-2&_include=DiagnosticReport:result"
    everything = f"{path}&_include=DiagnosticReport:subject"
    assert set(fhir.ids(everything)) == {"inc-1", "inc-2", "clark-dan"}
    narrow = SmartClient(hospital).fhir("launch patient/DiagnosticReport.rs")
    assert narrow.get(path).status_code == 403


def test_reads_of_a_transaction_come_last_and_see_what_was_written(fhir: FhirSession) -> None:
    response = send(
        fhir,
        get("DiagnosticReport/rw-1"),
        get("DiagnosticReport?_id=rw-1&_include=DiagnosticReport:result"),
        put(observation(id="rw-2")),
        put(report(id="rw-1", result=[{"reference": "Observation/rw-2"}])),
        get("Patient/mayer-rosa"),
        get("Observation/nowhere"),
    )
    assert statuses(response) == ["200", "200", "201", "201", "403", "404"]
    read, found, *written = (entry.get("resource") for entry in response.json()["entry"][:4])
    assert read == fhir.get("/DiagnosticReport/rw-1").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["rw-1", "rw-2"]
    assert written == [None, None]


def test_transaction_that_fails_reads_nothing(fhir: FhirSession) -> None:
    response = send(fhir, get("Patient/clark-dan"), put(observation(id="rw-3", status="bogus")))
    assert response.status_code == 422
    assert "birthDate" not in response.text


def test_transaction_of_reads_alone_writes_nothing(fhir: FhirSession) -> None:
    assert statuses(send(fhir, get("Patient/clark-dan"))) == ["200"]
