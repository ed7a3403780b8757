"""Reading and searching (FHIR R4, "RESTful API" and "Search")."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import FhirSession, SmartClient, observation, texts

ALL = "launch openid user/*.cruds"


@pytest.fixture(scope="module")
def staff(hospital: RunningSandbox) -> FhirSession:
    """A session that reaches everything."""
    return SmartClient(hospital, "everything").fhir(ALL)


@pytest.fixture(scope="module")
def readings(staff: FhirSession) -> Iterator[list[str]]:
    """Five observations of one patient with days, codes and categories to search for."""
    made = []
    for day in range(1, 6):
        body = observation(
            "okafor-tunde",
            identifier=[{"system": "urn:test", "value": f"reading-{day}"}],
            effectiveDateTime=f"2026-02-0{day}T12:00:00Z",
            code={"coding": [{"system": "urn:codes", "code": f"code-{day % 2}"}]},
            category=[{"coding": [{"system": "urn:categories", "code": "imaging"}]}],
        )
        made.append(staff.send("POST", "/Observation", body).json()["id"])
    return made


def test_capability_statement_is_open_to_all_and_valid(hospital: RunningSandbox) -> None:
    response = requests.get(f"{hospital.fhir_base}/metadata", timeout=10)
    found = CapabilityStatement.model_validate(response.json())
    assert found.fhirVersion == "4.0.1"
    kinds = {resource.type for resource in found.rest[0].resource}
    assert {"Patient", "ImagingStudy", "DiagnosticReport", "Observation", "Endpoint"} <= kinds


def test_read_gives_version_and_time(staff: FhirSession) -> None:
    response = staff.get("/Patient/clark-dan")
    assert response.headers["Content-Type"].startswith("application/fhir+json")
    assert response.headers["ETag"] == 'W/"1"'
    assert response.headers["Last-Modified"].endswith("GMT")
    assert response.json()["name"][0]["family"] == "CLARK"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Patient/nobody", 404),
        ("/Unicorn/x", 404),
        ("/Unicorn", 404),
        ("/Patient/clark-dan/_history/9", 404),
        ("/Patient/clark-dan/_history/x", 404),
        ("/Patient/clark-dan/$everything", 405),
        ("/Patient/clark-dan/_history", 405),
    ],
)
def test_what_is_not_there_is_said_in_an_outcome(
    staff: FhirSession, path: str, status: int
) -> None:
    response = staff.get(path)
    assert response.status_code == status
    assert texts(response)


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_deleting_and_patching_are_not_offered(staff: FhirSession, method: str) -> None:
    assert staff.send(method, "/Patient/clark-dan").status_code == 405


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        ("application/fhir+json;q=0.5, text/html", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
    ],
)
def test_only_json_is_answered(staff: FhirSession, header: str, status: int) -> None:
    assert staff.get("/Patient/clark-dan", Accept=header).status_code == status


def test_format_parameter_wins_over_accept(staff: FhirSession) -> None:
    assert staff.get("/Patient?_format=json", Accept="text/html").status_code == 200
    assert staff.get("/Patient?_format=xml").status_code == 406


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("_id=clark-dan", ["clark-dan"]),
        ("_id=clark-dan,lind-elsa&_sort=_id", ["clark-dan", "lind-elsa"]),
        ("identifier=https://hospital.example/mrn|H-1001", ["clark-dan"]),
        ("identifier=H-1001", ["clark-dan"]),
        ("identifier=https://hospital.example/other|H-1001", []),
        ("identifier=|H-1001", []),
        ("name=clar", ["clark-dan"]),
        ("name=dan", ["clark-dan"]),
        ("name=lark", []),
        ("name:contains=lark", ["clark-dan"]),
        ("family:exact=CLARK", ["clark-dan"]),
        ("family:exact=Clark", []),
        ("family=%C3%B6ka", ["okafor-tunde"]),
        ("birthdate=1930-10-19", ["clark-dan"]),
        ("birthdate=1930", ["clark-dan"]),
        ("birthdate=lt1950", ["clark-dan"]),
        ("birthdate=ge2014-06-02", ["lind-elsa"]),
        ("birthdate=gt1958-03-14&birthdate=lt2000", ["okafor-tunde"]),
        ("gender=female&birthdate=gt2000", ["lind-elsa"]),
        ("gender:not=male&_sort=birthdate", ["mayer-rosa", "lind-elsa"]),
        ("gender:missing=true", []),
    ],
)
def test_patients_are_found(staff: FhirSession, query: str, ids: list[str]) -> None:
    assert staff.ids(f"/Patient?{query}") == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("patient=clark-dan", ["clark-dan-chest-xray"]),
        ("patient=Patient/clark-dan", ["clark-dan-chest-xray"]),
        ("subject=Patient/clark-dan", ["clark-dan-chest-xray"]),
        ("subject:Patient=clark-dan", ["clark-dan-chest-xray"]),
        ("patient=okafor-tunde&status=registered", ["okafor-tunde-chest-xray"]),
        ("patient=clark-dan&started=2026-03-09", ["clark-dan-chest-xray"]),
        ("patient=clark-dan&started=lt2026", []),
        ("modality=CT", ["mayer-rosa-ct"]),
        ("endpoint=Endpoint/hospital-dicomweb&patient=mayer-rosa&modality=CT", ["mayer-rosa-ct"]),
        ("identifier=https://hospital.example/accession|A-2003", ["mayer-rosa-leg-xray"]),
    ],
)
def test_studies_are_found(staff: FhirSession, query: str, ids: list[str]) -> None:
    assert staff.ids(f"/ImagingStudy?{query}") == ids


def test_absolute_references_to_own_records_are_found(staff: FhirSession) -> None:
    address = f"{staff.hospital.fhir_base}/Patient/clark-dan"
    assert staff.ids(f"/ImagingStudy?subject={address}") == ["clark-dan-chest-xray"]
    assert staff.ids("/ImagingStudy?subject=https://other.example/Patient/clark-dan") == []


@pytest.mark.usefixtures("readings")
@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("date=2026-02-03", [3]),
        ("date=ge2026-02-04", [5, 4]),
        ("date=sa2026-02-04", [5]),
        ("date=eb2026-02-02", [1]),
        ("date=le2026-02-01", [1]),
        ("date=ne2026-02-01", [5, 4, 3, 2]),
        ("date=2026-02-03T13:00:00%2B01:00", [3]),
        ("code=urn:codes|code-0", [4, 2]),
        ("code=code-0,code-1&date=gt2026-02-03", [5, 4]),
        ("code=urn:codes|", [5, 4, 3, 2, 1]),
        ("category=imaging&date=2026-02-05", [5]),
        ("identifier=urn:test|reading-2", [2]),
        ("identifier=urn:test|reading\\,2", []),
    ],
)
def test_observations_are_found(staff: FhirSession, query: str, days: list[int]) -> None:
    path = f"/Observation?patient=okafor-tunde&_sort=-date&{query}"
    response = staff.get(path)
    found = [e["resource"]["effectiveDateTime"][9] for e in response.json().get("entry", [])]
    assert found == [str(day) for day in days]


def test_pages_are_linked_and_never_overlap(staff: FhirSession, readings: list[str]) -> None:
    path: str | None = "/Observation?patient=okafor-tunde&_sort=date&_count=2"
    pages = []
    while path:
        bundle = staff.get(path).json()
        Bundle.model_validate(bundle)
        assert bundle["total"] == 5
        pages.append([entry["resource"]["id"] for entry in bundle["entry"]])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        path = links.get("next")
        assert path is None or path.startswith(staff.hospital.fhir_base)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [name for page in pages for name in page] == readings


def test_count_of_zero_gives_only_the_total(staff: FhirSession, readings: list[str]) -> None:
    bundle = staff.get("/Observation?patient=okafor-tunde&_count=0").json()
    assert bundle["total"] == len(readings)
    assert "entry" not in bundle


def test_last_updated_is_searched_and_sorted(staff: FhirSession, readings: list[str]) -> None:
    newest = staff.ids("/Observation?patient=okafor-tunde&_sort=-_lastUpdated&_count=1")
    assert newest == [readings[-1]]
    assert staff.ids("/Observation?_lastUpdated=lt2020") == []
    assert staff.ids("/Observation?_lastUpdated=gt2020&patient=okafor-tunde&_count=1")


def test_endpoint_is_included_once_for_several_studies(staff: FhirSession) -> None:
    path = "/ImagingStudy?patient=mayer-rosa&_include=ImagingStudy:endpoint"
    bundle = staff.get(path).json()
    modes = [(e["resource"]["resourceType"], e["search"]["mode"]) for e in bundle["entry"]]
    assert modes == [("ImagingStudy", "match")] * 3 + [("Endpoint", "include")]
    endpoint = bundle["entry"][-1]["resource"]
    assert endpoint["address"] == f"{staff.hospital.base_url}/dicomweb"


def test_search_by_post_keeps_parameters_out_of_the_address(staff: FhirSession) -> None:
    response = requests.post(
        f"{staff.hospital.fhir_base}/Patient/_search",
        data={"identifier": "H-1001"},
        headers={"Authorization": f"Bearer {staff.access_token}"},
        timeout=10,
    )
    assert response.json()["entry"][0]["resource"]["id"] == "clark-dan"


@pytest.mark.parametrize(
    "query",
    [
        "Patient?unknown=1",
        "Patient?phone=1",
        "Patient?name:sounds=x",
        "Patient?birthdate=yesterday",
        "Patient?birthdate=2026-13-01",
        "Patient?birthdate=ap2026",
        "Patient?_count=-1",
        "Patient?_count=many",
        "Patient?_page=x",
        "Patient?_sort=favourite",
        "Patient?_revinclude=Provenance:target",
        "Patient?identifier=a|b|c",
        "Patient?name=",
        "Patient?name:missing=perhaps",
        "ImagingStudy?_include=ImagingStudy:status",
        "ImagingStudy?_include=Patient:endpoint",
        "ImagingStudy?_include=ImagingStudy:endpoint:Patient",
        "ImagingStudy?_include:iterate=ImagingStudy:endpoint",
        "ImagingStudy?patient.name=clark",
        "ImagingStudy?subject:Unicorn=x",
        "ImagingStudy?_has:Observation:patient:code=x",
        "Provenance?target=x",
    ],
)
def test_what_search_does_not_know_is_refused(staff: FhirSession, query: str) -> None:
    response = staff.get(f"/{query}")
    assert response.status_code == 400
    assert texts(response)
