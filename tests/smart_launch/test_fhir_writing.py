"""Writing FHIR to a real server in a thread, honest and otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from smart_launch.errors import FhirError, FhirUnavailable
from smart_launch.fhir_bundles import PastVersion
from smart_launch.fhir_client import FhirClient
from tests.smart_launch.loopback import Loopback, Says

REPORT = {"resourceType": "DiagnosticReport", "id": "wr-1", "status": "preliminary"}


def test_a_created_resource_has_the_servers_id_and_version(
    client: FhirClient, server: Loopback
) -> None:
    stored = {**REPORT, "id": "srv-9"}
    headers = {"ETag": 'W/"1"', "Location": "http://inside/fhir/DiagnosticReport/srv-9/_history/1"}
    server.says("POST", "/fhir/DiagnosticReport", Says(201, stored, headers))
    result = client.create({"resourceType": "DiagnosticReport", "status": "preliminary"})
    assert (result.id, result.version, result.location, result.created) == (
        "srv-9",
        "1",
        "DiagnosticReport/srv-9",
        True,
    )
    asked = server.asked[0]
    assert asked.headers["Content-Type"] == "application/fhir+json"
    assert asked.headers["Prefer"] == "return=representation"
    assert asked.json == {"resourceType": "DiagnosticReport", "status": "preliminary"}
    assert "If-None-Exist" not in asked.headers


@pytest.mark.parametrize("body", [b"", {"resourceType": "OperationOutcome", "issue": []}])
@pytest.mark.parametrize(
    "location",
    ["DiagnosticReport/srv-9/_history/1", "http://10.0.0.7:8080/internal/DiagnosticReport/srv-9/_history/1"],
)  # fmt: skip
def test_a_server_that_returns_nothing_is_understood_by_its_location(
    client: FhirClient, server: Loopback, body: Any, location: str
) -> None:
    server.says("POST", "/fhir/DiagnosticReport", Says(201, body, {"Location": location}))
    result = client.create({"resourceType": "DiagnosticReport", "status": "preliminary"})
    assert (result.id, result.version) == ("srv-9", "1")
    assert result.resource["id"] == "srv-9"
    assert len(server.asked) == 1  # the location was read, not called


def test_a_server_that_does_not_say_where_it_stored_is_named(
    client: FhirClient, server: Loopback
) -> None:
    server.says("POST", "/fhir/DiagnosticReport", Says(201))
    with pytest.raises(FhirUnavailable, match="id_missing"):
        client.create({"resourceType": "DiagnosticReport"})


def test_a_conditional_create_that_found_one_says_so(client: FhirClient, server: Loopback) -> None:
    server.says("POST", "/fhir/DiagnosticReport", Says(200, REPORT, {"ETag": 'W/"4"'}))
    result = client.create(
        {"resourceType": "DiagnosticReport"}, if_none_exist="identifier=urn:x|a b\r\nX-Evil: é"
    )
    assert (result.id, result.version, result.created) == ("wr-1", "4", False)
    headers = server.asked[0].headers
    assert headers["If-None-Exist"] == "identifier=urn:x|a%20b%0D%0AX-Evil:%20%C3%A9"
    assert "X-Evil" not in headers


@pytest.mark.parametrize("version", ["3", 'W/"3"', '"3"', '3"\r\nX-Evil: 1'])
def test_an_update_names_the_version_that_it_changes(
    client: FhirClient, server: Loopback, version: str
) -> None:
    server.says("PUT", "/fhir/DiagnosticReport/wr-1", Says(200, REPORT, {"ETag": 'W/"4"'}))
    assert client.update(dict(REPORT), if_match=version).version == "4"
    assert server.asked[0].headers["If-Match"].startswith('W/"3')
    assert "X-Evil" not in server.asked[0].headers


@pytest.mark.parametrize("version", [None, "3"])
def test_an_update_is_sent_once_because_others_may_have_changed_the_entry_since(
    client: FhirClient, server: Loopback, version: str | None
) -> None:
    server.says("PUT", "/fhir/DiagnosticReport/wr-1", Says(503), Says(200, REPORT))
    with pytest.raises(FhirUnavailable):
        client.update(dict(REPORT), if_match=version)
    assert len(server.asked) == 1


def test_an_update_that_must_be_new_says_so_and_tells_whether_it_was(
    client: FhirClient, server: Loopback
) -> None:
    server.says("PUT", "/fhir/DiagnosticReport/wr-1", Says(201, REPORT), Says(200, REPORT))
    assert client.update(dict(REPORT), only_new=True).created
    assert server.asked[0].headers["If-None-Match"] == "*"
    assert not client.update(dict(REPORT), only_new=True).created


def test_a_history_has_versions_of_all_pages_and_deletions(
    client: FhirClient, server: Loopback
) -> None:
    third, first = {**REPORT, "meta": {"versionId": "3"}}, {**REPORT, "status": "final"}
    pages = [
        {"entry": [{"resource": third}], "link": [{"relation": "next", "url": "page/2"}]},
        {"entry": [{"request": {"method": "DELETE"}},
                   {"resource": first, "response": {"etag": 'W/"1"'}}, {"resource": REPORT}]},
    ]  # fmt: skip
    bundles = [{"resourceType": "Bundle", "type": "history", **page} for page in pages]
    server.says("GET", "/fhir/DiagnosticReport/wr-1/_history", Says(200, bundles[0]))
    server.says("GET", "/fhir/page/2", Says(200, bundles[1]))
    assert client.history("DiagnosticReport", "wr-1") == [
        PastVersion("3", third),
        PastVersion(None, None),
        PastVersion("1", first),
        PastVersion(None, REPORT),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        REPORT,
        {"resourceType": "Bundle", "entry": {}},
        {"resourceType": "Bundle", "entry": [{"resource": {**REPORT, "id": "wr-2"}}]},
    ],
)
def test_a_history_of_something_else_is_refused(
    client: FhirClient, server: Loopback, answer: dict[str, Any]
) -> None:
    server.says("GET", "/fhir/DiagnosticReport/wr-1/_history", Says(200, answer))
    with pytest.raises(FhirUnavailable, match=r"not_fhir|wrong_resource"):
        client.history("DiagnosticReport", "wr-1")


def test_an_update_that_came_back_as_another_resource_is_refused(
    client: FhirClient, server: Loopback
) -> None:
    server.says("PUT", "/fhir/DiagnosticReport/wr-1", Says(200, {**REPORT, "id": "wr-2"}))
    with pytest.raises(FhirUnavailable, match="id_missing"):
        client.update(dict(REPORT))


@pytest.mark.parametrize("resource", [{}, {"resourceType": 7}, {"resourceType": "../x"}])
def test_only_resources_are_sent(
    client: FhirClient, server: Loopback, resource: dict[str, Any]
) -> None:
    for send in (client.create, client.update, client.validate):
        with pytest.raises(FhirError, match="reference_invalid"):
            send(resource)
    with pytest.raises(FhirError, match="reference_invalid"):
        client.update({"resourceType": "Observation"})
    assert server.asked == []


def test_a_transaction_goes_to_the_base_and_only_once(client: FhirClient, server: Loopback) -> None:
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    response = {"resourceType": "Bundle", "type": "transaction-response"}
    server.says("POST", "/fhir", Says(200, response), Says(503), Says(200, response))
    assert client.transaction(sent) == response
    assert server.asked[0].json == sent
    with pytest.raises(FhirUnavailable):
        client.transaction(sent)
    assert len(server.asked) == 2


def test_a_transaction_of_puts_may_be_repeated(client: FhirClient, server: Loopback) -> None:
    server.says("POST", "/fhir", Says(503), Says(200, {"resourceType": "Bundle"}))
    assert client.transaction({"resourceType": "Bundle"}, repeatable=True)


def test_a_transaction_that_is_not_confirmed_is_named(client: FhirClient, server: Loopback) -> None:
    server.says("POST", "/fhir", Says(200, {"resourceType": "OperationOutcome"}))
    with pytest.raises(FhirUnavailable, match="not_fhir"):
        client.transaction({"resourceType": "Bundle"})


def test_validation_stores_nothing_and_returns_the_outcome(
    client: FhirClient, server: Loopback
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    server.says("POST", "/fhir/DiagnosticReport/$validate", Says(200, outcome))
    assert client.validate(dict(REPORT)) == outcome


def test_text_in_any_script_survives(client: FhirClient, server: Loopback) -> None:
    server.says("PUT", "/fhir/DiagnosticReport/wr-1", lambda asked: Says(200, asked.json))
    resource = {**REPORT, "conclusion": "Äußerst: 肺炎 <b>&</b> \U0001fac1"}
    assert client.update(resource).resource == resource
