"""Reading and searching FHIR on a real server in a thread, honest and otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from smart_launch.errors import FhirError, FhirUnavailable, TransportError
from smart_launch.fhir_client import FhirClient
from tests.smart_launch.loopback import Asked, Loopback, Says

PATIENT = {"resourceType": "Patient", "id": "pat-1", "meta": {"versionId": "3"}}
REPORT = {"resourceType": "DiagnosticReport", "id": "wr-1", "status": "preliminary"}


def study(number: int) -> dict[str, Any]:
    return {"resourceType": "ImagingStudy", "id": f"st-{number}"}


def bundle(*resources: dict[str, Any], following: str | None = None) -> Says:
    link = [] if following is None else [{"relation": "next", "url": following}]
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return Says(200, {"resourceType": "Bundle", "link": link, "entry": entries})


# --- reading -----------------------------------------


def test_a_resource_is_read_as_fhir_json(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/Patient/pat-1", Says(200, PATIENT))
    assert client.read("Patient", "pat-1") == PATIENT
    assert server.asked[0].headers["Accept"] == "application/fhir+json"
    # Servers that answer equal searches from memory must not: a write may lie in between.
    assert server.asked[0].headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("etag", "version"),
    [('W/"7"', "7"), ('"7"', "7"), ("7", "7"), ("", "3"), ('W/""', "3")],
)
def test_a_version_comes_from_the_etag_or_from_meta(
    client: FhirClient, server: Loopback, etag: str, version: str
) -> None:
    headers = {"ETag": etag} if etag else {}
    server.says("GET", "/fhir/Patient/pat-1", Says(200, PATIENT, headers))
    assert client.read_stored("Patient", "pat-1").version == version


def test_without_etag_and_meta_there_is_no_version(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/DiagnosticReport/wr-1", Says(200, REPORT))
    assert client.read_stored("DiagnosticReport", "wr-1").version is None


@pytest.mark.parametrize(
    "answer",
    [{**PATIENT, "id": "pat-2"}, {**PATIENT, "resourceType": "Person"}, {**PATIENT, "id": None}],
)
def test_another_resource_than_the_one_asked_for_is_refused(
    client: FhirClient, server: Loopback, answer: dict[str, Any]
) -> None:
    server.says("GET", "/fhir/Patient/pat-1", Says(200, answer))
    with pytest.raises(FhirUnavailable, match="wrong_resource") as caught:
        client.read("Patient", "pat-1")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("resource_type", "resource_id"),
    [("Patient", "../admin"), ("Patient", ".."), ("Patient", "1/$everything"), ("Patient", "1?x=y"),
     ("Patient", ""), ("Patient", "a" * 65), ("Patient", "1\r\nX: y"), ("patient", "1"),
     ("../x", "1"), ("", "1")],
)  # fmt: skip
def test_an_id_cannot_leave_its_place_in_the_address(
    client: FhirClient, server: Loopback, resource_type: str, resource_id: str
) -> None:
    with pytest.raises(FhirError, match="reference_invalid"):
        client.read(resource_type, resource_id)
    assert server.asked == []


# --- references -----------------------------------------


@pytest.mark.parametrize(
    "reference", ["Patient/pat-1", "{base}/Patient/pat-1", "Patient/pat-1/_history/2"]
)
def test_references_to_this_server_are_read(
    client: FhirClient, server: Loopback, reference: str
) -> None:
    server.says("GET", "/fhir/Patient/pat-1", Says(200, PATIENT))
    assert client.read_reference(reference.format(base=client.base_url)) == PATIENT


def test_the_token_never_follows_a_reference_to_another_server(
    client: FhirClient, server: Loopback, elsewhere: Loopback
) -> None:
    with pytest.raises(FhirError, match="foreign_reference"):
        client.read_reference(elsewhere.url + "/fhir/Patient/pat-1")
    assert server.asked == []


@pytest.mark.parametrize(
    "reference",
    ["https://evil.example/fhir/Patient/1", "//evil.example/Patient/1", "{url}/other/Patient/1",
     "{url}/fhirx/Patient/1", "{url}/fhir/../admin/Patient/1", "{url}/fhir/%2e%2e/x/Patient/1",
     "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:oid:1.2.3", "file:///etc/passwd",
     "http://localhost.evil.example/fhir/Patient/1", "{url}@evil.example/fhir/Patient/1"],
)  # fmt: skip
def test_foreign_references_are_refused_before_anything_is_sent(
    client: FhirClient, server: Loopback, reference: str
) -> None:
    with pytest.raises(FhirError, match="foreign_reference"):
        client.read_reference(reference.format(url=server.url))
    assert server.asked == []


@pytest.mark.parametrize(
    "reference",
    ["#contained", "", "Patient", "Patient/", "/Patient/1", "Patient/1/extra", "Patient/1?x=1",
     "x/Patient/1", "Patient/..", "{base}/x/Patient/1", "{base}/Patient/1?x=/Patient/2", "{base}"],
)  # fmt: skip
def test_references_that_name_no_resource_are_refused(
    client: FhirClient, server: Loopback, reference: str
) -> None:
    with pytest.raises(FhirError, match="reference_invalid"):
        client.read_reference(reference.format(base=client.base_url))
    assert server.asked == []


# --- searching -----------------------------------------


def test_a_search_follows_its_pages(client: FhirClient, server: Loopback) -> None:
    server.says(
        "GET", "/fhir/ImagingStudy", bundle(study(1), study(2), following="/fhir?_getpages=x&n=2")
    )
    server.says("GET", "/fhir", bundle(study(3), following=f"{client.base_url}/page/3"))
    server.says("GET", "/fhir/page/3", bundle(study(4)))
    found = client.search("ImagingStudy", {"patient": "pat 1", "_tag": ["a|b", "c"]})
    assert [resource["id"] for resource in found] == ["st-1", "st-2", "st-3", "st-4"]
    assert server.asked[0].query == {"patient": "pat 1", "_tag": "c"}
    assert server.asked[1].query == {"_getpages": "x", "n": "2"}


def test_a_repeated_parameter_is_sent_repeatedly(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/Observation", bundle())
    parameters = {"date": ["ge2020", "lt2021"], "code": "a&b"}
    assert list(client.search("Observation", parameters)) == []
    assert server.asked[0].raw_query == "date=ge2020&date=lt2021&code=a%26b"


def test_a_limit_fetches_no_page_more_than_needed(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/ImagingStudy", bundle(study(1), study(2), following="page/2"))
    assert len(list(client.search("ImagingStudy", {}, limit=2))) == 2
    assert list(client.search("ImagingStudy", {}, limit=0)) == []
    assert server.asked_at("/fhir/page/2") == []


def test_matches_includes_and_outcomes_are_kept_apart(client: FhirClient, server: Loopback) -> None:
    endpoint = {"resourceType": "Endpoint", "id": "e-1"}
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    entries: list[Any] = [
        {"resource": study(1), "search": {"mode": "match"}},
        {"resource": endpoint, "search": {"mode": "include"}},
        {"resource": outcome, "search": {"mode": "outcome"}},
        {"resource": study(2)},
        {"resource": endpoint, "search": {"mode": "match"}},
        {"fullUrl": "x"},
        "garbage",
        {"resource": study(3), "search": "garbage"},
    ]
    answer = {"resourceType": "Bundle", "entry": entries}
    server.says("GET", "/fhir/ImagingStudy", Says(200, answer))
    result = client.search_bundle("ImagingStudy", {"_include": "ImagingStudy:endpoint"})
    assert [resource["id"] for resource in result.matches] == ["st-1", "st-2", "st-3"]
    assert list(result.included) == [endpoint, endpoint]


def test_an_empty_bundle_has_no_matches(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/ImagingStudy", Says(200, {"resourceType": "Bundle"}))
    assert list(client.search("ImagingStudy", {})) == []


def test_the_token_never_follows_a_next_link_to_another_server(
    client: FhirClient, server: Loopback, elsewhere: Loopback
) -> None:
    following = elsewhere.url + "/fhir/ImagingStudy?page=2"
    server.says("GET", "/fhir/ImagingStudy", bundle(study(1), following=following))
    found = client.search("ImagingStudy", {})
    assert next(found) == study(1)
    with pytest.raises(FhirError, match="foreign_page"):
        next(found)


@pytest.mark.parametrize(
    "following",
    ["{url}/other?page=2", "/other", "../admin", "{url}/fhirx", "http://evil.example/fhir?page=2",
     "//evil.example/fhir", "{url}/fhir/%2e%2e/admin", "https://{host}/fhir?page=2",
     "http://user@{host}/fhir?page=2", "javascript:alert(1)"],
)  # fmt: skip
def test_a_next_link_must_stay_below_the_base(
    client: FhirClient, server: Loopback, following: str
) -> None:
    link = following.format(url=server.url, host=server.url.removeprefix("http://"))
    server.says("GET", "/fhir/ImagingStudy", bundle(study(1), following=link))
    with pytest.raises(FhirError, match="foreign_page"):
        list(client.search("ImagingStudy", {}))
    assert len(server.asked) == 1


def test_pages_that_go_round_in_circles_end(client: FhirClient, server: Loopback) -> None:
    server.says("GET", "/fhir/ImagingStudy", bundle(study(1), following="page/2"))
    server.says("GET", "/fhir/page/2", bundle(study(2), following="page/3"))
    server.says("GET", "/fhir/page/3", bundle(study(3), following="page/2"))
    with pytest.raises(FhirUnavailable, match="endless_pages"):
        list(client.search("ImagingStudy", {}))
    assert len(server.asked) == 3


def test_pages_without_end_end(client: FhirClient, server: Loopback) -> None:
    def another(asked: Asked) -> Says:
        number = int(asked.query.get("n", 0)) + 1
        return bundle(study(number), following=f"ImagingStudy?n={number}")

    server.says("GET", "/fhir/ImagingStudy", another)
    with pytest.raises(FhirUnavailable, match="endless_pages"):
        list(client.search("ImagingStudy", {}))


@pytest.mark.parametrize("answer", [PATIENT, {"resourceType": "Bundle", "entry": {}}])
def test_a_search_that_answers_no_list_is_named(
    client: FhirClient, server: Loopback, answer: dict[str, Any]
) -> None:
    server.says("GET", "/fhir/ImagingStudy", Says(200, answer))
    with pytest.raises(FhirUnavailable, match="not_fhir"):
        list(client.search("ImagingStudy", {}))


# --- the address itself -----------------------------------------


def test_a_base_without_https_is_refused_outside_loopback() -> None:
    with pytest.raises(TransportError, match="address_refused"):
        FhirClient("http://ehr.example/fhir", "the-token")


def test_the_token_is_not_shown(client: FhirClient) -> None:
    assert "the-token" not in repr(client)
