"""Several questions in one request: each gets its own answer, and none gets another's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.errors import (
    FhirError,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    FhirUnauthorized,
    FhirUnavailable,
)
from smart_launch.fhir_batch import (
    Read,
    Search,
    batch_of,
    entries_of,
    matches_from,
    read_from,
    resource_in,
    stored_in,
)
from smart_launch.fhir_bundles import SearchResult
from smart_launch.fhir_client import FhirClient
from smart_launch.stored import Stored
from tests.smart_launch.loopback import Loopback, Says

DAN = Read("Patient", "dan")
STUDIES = Search("ImagingStudy", (("patient", "dan"), ("_include", "ImagingStudy:patient")))
PATIENT = {"resourceType": "Patient", "id": "dan", "meta": {"versionId": "7"}}
STUDY = {"resourceType": "ImagingStudy", "id": "s1"}


def says(server: Loopback, *entries: Any) -> None:
    """Let the server answer a batch with these entries."""
    bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": list(entries)}
    server.says("POST", "/fhir", Says(200, bundle))


def ok(resource: Any, **response: Any) -> dict[str, Any]:
    return {"response": {"status": "200 OK"} | response, "resource": resource}


def page(*resources: Any, after: str | None = None) -> dict[str, Any]:
    entries = [{"resource": one} for one in resources]
    links = [{"relation": "next", "url": after}] if after else []
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}


def test_the_questions_are_sent_as_reads_and_searches_below_the_base() -> None:
    tag = Search("DiagnosticReport", (("identifier", "https://a.example/x|urn:oid:1.2 &y"),))
    asked = [entry["request"] for entry in batch_of([DAN, tag])["entry"]]
    assert [one["method"] for one in asked] == ["GET", "GET"]
    assert asked[0]["url"] == "Patient/dan"
    value = "https%3A%2F%2Fa.example%2Fx%7Curn%3Aoid%3A1.2+%26y"
    assert asked[1]["url"] == f"DiagnosticReport?identifier={value}"


@pytest.mark.parametrize("wrong", ["../x", "1?_format=xml", "a/b", ""])
def test_an_id_that_is_none_reaches_no_bundle(wrong: str) -> None:
    with pytest.raises(FhirError):
        batch_of([Read("Patient", wrong)])
    with pytest.raises(FhirError):
        batch_of([Search(wrong, ())])


def test_each_question_gets_its_own_answer(client: FhirClient, server: Loopback) -> None:
    missing, hidden = {"response": {"status": "404"}}, {"response": {"status": "403 Forbidden"}}
    found = page(STUDY, PATIENT)
    says(server, ok(PATIENT, etag='W/"8"'), missing, hidden, ok(found))
    dan, nobody, secret, studies = client.batch([DAN, Read("Patient", "x"), DAN, STUDIES])
    assert isinstance(dan, Stored)
    assert (dan.version, dan.location, dan.resource) == ("8", "Patient/dan", PATIENT)
    assert isinstance(nobody, FhirNotFound)
    assert isinstance(secret, FhirForbidden)
    assert studies == SearchResult((STUDY,), (PATIENT,))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/fhir")
    # Else a server may answer its searches from memory.
    assert asked.headers["Cache-Control"] == "no-cache"


def test_further_pages_of_a_search_are_fetched(client: FhirClient, server: Loopback) -> None:
    second = STUDY | {"id": "s2"}
    says(server, ok(page(STUDY, after=f"{server.url}/fhir?page=2")))
    server.says("GET", "/fhir", Says(200, page(second)))
    (found,) = client.batch([STUDIES])
    assert matches_from(found or FhirNotFound("x", "x")) == (STUDY, second)


def test_a_next_page_elsewhere_gets_no_token(
    client: FhirClient, server: Loopback, elsewhere: Loopback
) -> None:
    says(server, ok(page(STUDY, after=f"{elsewhere.url}/fhir?page=2")))
    with pytest.raises(FhirError) as refused:
        client.batch([STUDIES])
    assert refused.value.code == "foreign_page"


@pytest.mark.parametrize(
    "entry",
    [{}, {"response": {}}, {"response": {"status": "no"}}, {"response": {"status": "501"}}, None],
)
def test_what_is_not_answered_is_left_to_be_asked_alone(
    client: FhirClient, server: Loopback, entry: Any
) -> None:
    says(server, entry, ok(page()))
    assert client.batch([DAN, STUDIES]) == [None, SearchResult((), ())]


def test_a_refused_token_is_not_taken_for_an_empty_answer(
    client: FhirClient, server: Loopback
) -> None:
    says(server, ok(PATIENT), {"response": {"status": "401 Unauthorized"}})
    with pytest.raises(FhirUnauthorized):
        client.batch([DAN, STUDIES])


@pytest.mark.parametrize("other", [{"id": "eve"}, {"resourceType": "Group"}])
def test_another_entry_than_the_one_asked_for_is_refused(
    client: FhirClient, server: Loopback, other: dict[str, str]
) -> None:
    says(server, ok(PATIENT | other))
    with pytest.raises(FhirUnavailable) as refused:
        client.batch([DAN])
    assert refused.value.code == "wrong_resource"


@pytest.mark.parametrize(
    "bundle",
    [
        {"type": "batch-response", "entry": []},
        {"type": "batch-response", "entry": [ok(PATIENT)] * 2},
        {"type": "searchset", "entry": [ok(PATIENT)]},
        {"type": "batch-response", "entry": ok(PATIENT)},
        {"type": "batch-response"},
    ],
    ids=str,
)
def test_an_answer_to_other_questions_is_none(bundle: dict[str, Any]) -> None:
    with pytest.raises(FhirUnavailable):
        entries_of({"resourceType": "Bundle"} | bundle, [DAN])


def test_a_refused_bundle_says_so(client: FhirClient, server: Loopback) -> None:
    server.says("POST", "/fhir", Says(405))
    with pytest.raises(FhirRejected):
        client.batch([DAN, STUDIES])


def test_answers_of_the_other_kind_are_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        read_from(SearchResult((), ()))
    with pytest.raises(TypeError):
        matches_from(Stored(PATIENT, "dan", None, "Patient/dan"))
    for broken in (read_from, matches_from):
        with pytest.raises(FhirForbidden):
            broken(FhirForbidden("forbidden", "No."))


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
strange = st.fixed_dictionaries(
    {},
    optional={
        "response": json_values
        | st.fixed_dictionaries(
            {"status": st.sampled_from(["200", "201 Created", 200, "404", "", None, "2000", "x"])},
            optional={"etag": json_values, "outcome": json_values},
        ),
        "resource": json_values
        | st.fixed_dictionaries(
            {"resourceType": st.sampled_from(["Patient", "Group", 3, None])},
            optional={"id": st.sampled_from(["dan", "eve", 5]), "meta": json_values},
        ),
    },
)


@given(strange)
def test_whatever_an_entry_holds_it_is_the_right_patient_or_an_error(entry: dict[str, Any]) -> None:
    json.dumps(entry)
    assert isinstance(resource_in(entry), dict | FhirError)
    try:
        found = stored_in(entry, DAN)
    except FhirUnavailable:
        return
    if isinstance(found, Stored):
        assert (found.resource["resourceType"], found.resource["id"]) == ("Patient", "dan")
        assert str(entry["response"]["status"]).startswith("20")
    else:
        assert isinstance(found, FhirError)
