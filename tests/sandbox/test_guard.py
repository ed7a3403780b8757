"""Attempts to reach past one's scopes or one's patient, each by another way."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import (
    SCOPES,
    FhirSession,
    SmartClient,
    observation,
    report,
    texts,
)
from tests.sandbox.test_fhir_bundles import bundle, post, put


@pytest.fixture(scope="module")
def fhir(hospital: RunningSandbox) -> FhirSession:
    """A session for clark-dan."""
    return SmartClient(hospital).fhir()


@pytest.fixture(scope="module")
def foreign(hospital: RunningSandbox) -> str:
    """An observation of mayer-rosa, by id."""
    body = observation("mayer-rosa", identifier=[{"system": "urn:test", "value": "foreign"}])
    other = SmartClient(hospital).fhir(patient="mayer-rosa")
    return other.send("POST", "/Observation", body).json()["id"]


@pytest.mark.parametrize(
    "path",
    [
        "/Patient/mayer-rosa",
        "/ImagingStudy/mayer-rosa-ct",
        "/ImagingStudy/mayer-rosa-ct/_history/1",
    ],
)
def test_another_patients_record_cannot_be_read(fhir: FhirSession, path: str) -> None:
    if path.startswith("/Patient"):
        assert "outside the patient" in texts(fhir.get(path))
    assert fhir.get(path).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "ImagingStudy?patient=mayer-rosa",
        "ImagingStudy?subject=Patient/mayer-rosa",
        "ImagingStudy?patient=Patient/clark-dan,Patient/mayer-rosa",
        "ImagingStudy?subject:Patient=mayer-rosa",
    ],
)
def test_another_patient_cannot_be_searched_for(fhir: FhirSession, query: str) -> None:
    assert fhir.get(f"/{query}").status_code == 403


@pytest.mark.parametrize(
    "query", ["ImagingStudy", "ImagingStudy?modality=CT,CR", "ImagingStudy?_id=mayer-rosa-ct"]
)
def test_search_without_a_patient_stays_within_the_patient(fhir: FhirSession, query: str) -> None:
    assert set(fhir.ids(f"/{query}")) <= {"clark-dan-chest-xray"}


def test_totals_do_not_count_other_patients(fhir: FhirSession, foreign: str) -> None:
    bundle_ = fhir.get(f"/Observation?_id={foreign}&_count=0").json()
    assert bundle_["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/Practitioner/demo-radiologist", None),
        ("GET", "/Encounter/clark-dan-visit", None),
        ("GET", "/Patient", None),
        ("GET", "/Endpoint", None),
        ("GET", "/Provenance?target=DiagnosticReport/x", None),
        ("PUT", "/Patient/clark-dan", {"resourceType": "Patient", "id": "clark-dan"}),
        ("PUT", "/Provenance/p", {"resourceType": "Provenance", "id": "p"}),
        ("POST", "/Task", {"resourceType": "Task", "status": "draft", "intent": "order"}),
    ],
)
def test_what_no_scope_names_is_refused(
    fhir: FhirSession, method: str, path: str, body: Any
) -> None:
    response = fhir.send(method, path, body)
    assert response.status_code == 403
    assert "scope" in texts(response)


def test_patient_scope_does_not_reach_what_belongs_to_nobody(hospital: RunningSandbox) -> None:
    narrow = SmartClient(hospital, "everything").fhir("launch patient/*.cruds")
    assert narrow.get("/Endpoint/hospital-dicomweb").status_code == 403
    assert narrow.get("/Endpoint").status_code == 403
    assert narrow.get("/Practitioner/demo-radiologist").status_code == 403
    assert narrow.get("/Encounter/clark-dan-visit").status_code == 200


def test_include_needs_a_scope_of_its_own(hospital: RunningSandbox) -> None:
    narrow = SmartClient(hospital).fhir("launch patient/ImagingStudy.rs")
    path = "/ImagingStudy?_include=ImagingStudy:endpoint"
    assert narrow.get("/ImagingStudy").status_code == 200
    assert narrow.get(path).status_code == 403


def test_include_never_brings_another_patients_records(hospital: RunningSandbox) -> None:
    staff = SmartClient(hospital, "everything").fhir("launch user/*.cruds")
    # Staff may write a wrong reference; a patient's token must still not follow it.
    theirs = staff.send("POST", "/Observation", observation("mayer-rosa")).json()["id"]
    body = report(id="mixed", result=[{"reference": f"Observation/{theirs}"}])
    assert staff.send("PUT", "/DiagnosticReport/mixed", body).status_code == 201
    narrow = SmartClient(hospital).fhir()
    path = "/DiagnosticReport?_id=mixed&_include=DiagnosticReport:result"
    assert narrow.ids(path) == ["mixed"]


def test_user_scope_of_a_patient_reaches_only_himself(hospital: RunningSandbox) -> None:
    himself = SmartClient(hospital, "everything").fhir(
        "launch user/*.cruds", user="Patient/clark-dan"
    )
    assert himself.get("/Patient/clark-dan").status_code == 200
    assert himself.get("/Patient/mayer-rosa").status_code == 403
    assert himself.ids("/Patient") == ["clark-dan"]


def test_record_for_another_patient_cannot_be_created(fhir: FhirSession) -> None:
    assert fhir.send("POST", "/Observation", observation("mayer-rosa")).status_code == 403
    without = {k: v for k, v in observation().items() if k != "subject"}
    assert fhir.send("POST", "/Observation", without).status_code == 403
    by_identifier = observation(subject={"identifier": {"value": "H-1001"}})
    assert fhir.send("POST", "/Observation", by_identifier).status_code == 403


def test_another_patients_record_cannot_be_taken_over(fhir: FhirSession, foreign: str) -> None:
    body = observation("clark-dan", id=foreign)
    assert fhir.send("PUT", f"/Observation/{foreign}", body).status_code == 403


def test_record_cannot_be_given_to_another_patient(fhir: FhirSession) -> None:
    fhir.send("PUT", "/Observation/mine", observation(id="mine"))
    body = observation("mayer-rosa", id="mine")
    assert fhir.send("PUT", "/Observation/mine", body).status_code == 403


def test_record_cannot_point_at_another_patients(fhir: FhirSession, foreign: str) -> None:
    for body in (
        report(result=[{"reference": f"Observation/{foreign}"}]),
        report(imagingStudy=[{"reference": "ImagingStudy/mayer-rosa-ct"}]),
        report(extension=[{"url": "urn:x", "valueReference": {"reference": "Patient/mayer-rosa"}}]),
    ):
        assert fhir.send("POST", "/DiagnosticReport", body).status_code == 403


def test_contained_resource_cannot_point_at_another_patients(
    fhir: FhirSession, foreign: str
) -> None:
    inside = observation(id="inside", hasMember=[{"reference": f"Observation/{foreign}"}])
    body = report(contained=[inside], result=[{"reference": "#inside"}])
    assert fhir.send("POST", "/DiagnosticReport", body).status_code == 403


def test_condition_of_a_create_cannot_probe_other_patients(fhir: FhirSession, foreign: str) -> None:
    query = "identifier=urn:test|foreign"
    response = fhir.send("POST", "/Observation", observation(), If_None_Exist=query)
    assert response.status_code == 403
    assert foreign not in response.text


def provenance(*targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": "2026-03-09T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/demo-radiologist"}}],
    }


def test_provenance_needs_every_target_to_be_the_patients(fhir: FhirSession, foreign: str) -> None:
    own = fhir.send("POST", "/Observation", observation()).json()["id"]
    assert fhir.send("POST", "/Provenance", provenance(f"Observation/{own}")).status_code == 201
    mixed = provenance(f"Observation/{own}", f"Observation/{foreign}")
    assert fhir.send("POST", "/Provenance", mixed).status_code == 403
    nothing = provenance("Endpoint/hospital-dicomweb")
    assert fhir.send("POST", "/Provenance", nothing).status_code == 403


def test_transaction_hides_no_foreign_record(fhir: FhirSession, foreign: str) -> None:
    name = f"urn:uuid:{uuid4()}"
    attempts = [
        bundle(post(observation()), post(observation("mayer-rosa"))),
        bundle(put(observation(id=foreign))),
        bundle(post(report(result=[{"reference": f"Observation/{foreign}"}]))),
        bundle(
            post({"resourceType": "Patient"}, name), post(observation(subject={"reference": name}))
        ),
        bundle(post(observation(), ifNoneExist="identifier=urn:test|foreign")),
        bundle(post(observation(subject={"reference": "Patient?identifier=H-1001"}))),
        bundle(put({"resourceType": "Endpoint", "id": "hospital-dicomweb", "status": "off"})),
    ]
    before = fhir.ids("/Observation?_count=200")
    for attempt in attempts:
        assert fhir.send("POST", "", attempt).status_code in (400, 403)
    assert fhir.ids("/Observation?_count=200") == before


def test_read_scope_does_not_write_and_write_scope_does_not_read(
    hospital: RunningSandbox,
) -> None:
    reader = SmartClient(hospital).fhir("launch patient/Observation.rs")
    assert reader.send("POST", "/Observation", observation()).status_code == 403
    assert reader.send("PUT", "/Observation/x", observation(id="x")).status_code == 403
    writer = SmartClient(hospital).fhir("launch patient/Observation.c")
    made = writer.send("POST", "/Observation", observation())
    assert made.status_code == 201
    assert writer.get(f"/Observation/{made.json()['id']}").status_code == 403
    assert writer.get("/Observation").status_code == 403


def test_next_links_belong_to_the_same_patient(hospital: RunningSandbox) -> None:
    first = SmartClient(hospital).fhir()
    for _ in range(3):
        first.send("POST", "/Observation", observation())
    links = first.get("/Observation?_count=1").json()["link"]
    following = next(link["url"] for link in links if link["relation"] == "next")
    other = SmartClient(hospital).fhir(patient="okafor-tunde", scope=SCOPES)
    patients = {
        entry["resource"]["subject"]["reference"]
        for entry in other.get(following).json().get("entry", [])
    }
    assert patients <= {"Patient/okafor-tunde"}
