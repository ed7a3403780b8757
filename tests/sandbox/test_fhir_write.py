"""Creating and updating (FHIR R4), and what is refused as no valid R4."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.server import RunningSandbox
from tests.sandbox.patience import unhurried
from tests.sandbox.smart_client import FhirSession, SmartClient, observation, report, texts


@pytest.fixture(scope="module")
def fhir(hospital: RunningSandbox) -> FhirSession:
    return SmartClient(hospital).fhir()


def test_created_record_gets_id_version_and_address(fhir: FhirSession) -> None:
    response = fhir.send("POST", "/Observation", observation(id="mine"))
    stored = response.json()
    assert response.status_code == 201
    assert stored["id"] != "mine"
    assert not stored["id"].isdigit()
    assert stored["meta"]["versionId"] == "1"
    base = fhir.hospital.fhir_base
    assert response.headers["Location"] == f"{base}/Observation/{stored['id']}/_history/1"
    assert response.headers["ETag"] == 'W/"1"'
    assert fhir.get(f"/Observation/{stored['id']}").json() == stored


def test_put_creates_under_an_id_of_ones_own_and_then_changes(fhir: FhirSession) -> None:
    first = fhir.send("PUT", "/Observation/put-1", observation(id="put-1"))
    second = fhir.send("PUT", "/Observation/put-1", observation(id="put-1", issued=ISSUED))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["ETag"] == 'W/"2"'
    old = fhir.get("/Observation/put-1/_history/1").json()
    assert "issued" not in old
    assert fhir.get("/Observation/put-1").json()["issued"] == ISSUED


ISSUED = "2026-03-09T10:00:00Z"


def test_if_match_keeps_the_second_writer_out(fhir: FhirSession) -> None:
    fhir.send("PUT", "/Observation/match-1", observation(id="match-1"))
    body = observation(id="match-1", issued=ISSUED)
    assert fhir.send("PUT", "/Observation/match-1", body, If_Match='W/"1"').status_code == 200
    late = fhir.send("PUT", "/Observation/match-1", body, If_Match='W/"1"')
    assert late.status_code == 412
    assert fhir.send("PUT", "/Observation/match-1", body, If_Match="1").status_code == 400
    new = observation(id="match-2")
    assert fhir.send("PUT", "/Observation/match-2", new, If_Match='W/"1"').status_code == 412


def test_if_none_match_star_makes_and_never_changes(fhir: FhirSession) -> None:
    body = observation(id="new-1")
    assert fhir.send("PUT", "/Observation/new-1", body, If_None_Match="*").status_code == 201
    late = fhir.send("PUT", "/Observation/new-1", body, If_None_Match="*")
    assert late.status_code == 412
    assert fhir.get("/Observation/new-1").headers["ETag"] == 'W/"1"'
    other = fhir.send("PUT", "/Observation/new-1", body, If_None_Match='W/"1"')
    assert other.status_code == 400


def test_if_none_exist_finds_what_is_there(fhir: FhirSession) -> None:
    body = observation(identifier=[{"system": "urn:test", "value": "once"}])
    query = "identifier=urn:test|once"
    first = fhir.send("POST", "/Observation", body, If_None_Exist=query)
    second = fhir.send("POST", "/Observation", body, If_None_Exist=query)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(fhir.ids("/Observation?identifier=urn:test|once")) == 1


def test_if_none_exist_with_several_matches_is_refused(fhir: FhirSession) -> None:
    body = observation(identifier=[{"system": "urn:test", "value": "twice"}])
    for _ in range(2):
        fhir.send("POST", "/Observation", body)
    refused = fhir.send("POST", "/Observation", body, If_None_Exist="identifier=urn:test|twice")
    assert refused.status_code == 412
    unknown = fhir.send("POST", "/Observation", body, If_None_Exist="unknown=1")
    assert unknown.status_code == 400


@pytest.mark.parametrize(
    ("preference", "kind"),
    [
        ("return=minimal", None),
        ("return=representation", "Observation"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("handling=strict, return=minimal", None),
    ],
)
def test_prefer_chooses_what_a_write_shows(
    fhir: FhirSession, preference: str, kind: str | None
) -> None:
    response = fhir.send("POST", "/Observation", observation(), Prefer=preference)
    assert response.status_code == 201
    assert response.headers["Location"]
    assert (response.json()["resourceType"] if response.content else None) == kind


NAMES = st.sampled_from(
    [
        "id",
        "meta",
        "subject",
        "reference",
        "contained",
        "result",
        "status",
        "code",
        "coding",
        "presentedForm",
        "data",
        "hash",
        "issued",
        "identifier",
        "system",
        "value",
        "extension",
    ]
)


def attachment(pdf: bytes, **changes: Any) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha1(pdf).digest()).decode()
    right = {
        "contentType": "application/pdf",
        "data": base64.b64encode(pdf).decode(),
        "hash": digest,
        "size": len(pdf),
    }
    return {**right, **changes}


def test_report_with_everything_is_taken(fhir: FhirSession) -> None:
    device = {"resourceType": "Device", "id": "model", "type": {"text": "AI model"}}
    observed = observation(contained=[device], device={"reference": "#model"})
    reference = f"Observation/{fhir.send('POST', '/Observation', observed).json()['id']}"
    body = report(
        issued="2026-03-09T10:00:00.000+00:00",
        effectiveDateTime="2026-03-09",
        imagingStudy=[{"reference": "ImagingStudy/clark-dan-chest-xray"}],
        encounter={"reference": "Encounter/clark-dan-visit"},
        result=[{"reference": reference}],
        presentedForm=[attachment(b"%PDF-1.7")],
        meta={"tag": [{"system": "urn:tags", "code": "ai"}]},
    )
    stored = fhir.send("POST", "/DiagnosticReport", body)
    assert stored.status_code == 201, stored.text
    found = fhir.ids("/DiagnosticReport?subject=Patient/clark-dan&_tag=urn:tags|ai")
    assert found == [stored.json()["id"]]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "bogus"}, "DiagnosticReport.status: must be one of"),
        ({"status": None}, "DiagnosticReport.status"),
        ({"code": None}, "DiagnosticReport.code"),
        ({"colour": "red"}, "DiagnosticReport.colour"),
        ({"issued": "2026-03-09"}, "DiagnosticReport.issued"),
        ({"conclusion": ""}, "DiagnosticReport.conclusion: must not be empty"),
        ({"meta": {}}, "DiagnosticReport.meta: must not be empty"),
        ({"result": []}, "DiagnosticReport.result: must not be empty"),
        ({"meta": {"tag": [{"code": ""}]}}, "DiagnosticReport.meta.tag.code: must not be empty"),
        ({"subject": {"reference": "clark-dan"}}, None),
        ({"result": [{"reference": "#nothing"}]}, "refers to nothing that is contained"),
        ({"contained": [{"resourceType": "Device", "id": "x"}]}, "must be referred to"),
        ({"presentedForm": [attachment(b"a", hash="AAAA")]}, "SHA-1"),
        ({"presentedForm": [attachment(b"a", size=7)]}, "length"),
        ({"presentedForm": [attachment(b"a", data="!!")]}, "presentedForm"),
        ({"result": [{"reference": "urn:uuid:0"}]}, "a reference must be"),
        ({"result": [{"reference": "Observation/nowhere"}]}, "finds no record"),
        ({"result": [{"reference": "Unicorn/x"}]}, "finds no record"),
    ],
)
def test_what_is_no_valid_report_is_refused_with_its_path(
    fhir: FhirSession, changes: dict[str, Any], says: str | None
) -> None:
    body = {k: v for k, v in {**report(), **changes}.items() if v is not None}
    before = fhir.ids("/DiagnosticReport?_count=200")
    response = fhir.send("POST", "/DiagnosticReport", body)
    assert response.status_code in (400, 403, 422)
    assert says is None or says in texts(response)
    assert fhir.ids("/DiagnosticReport?_count=200") == before


def test_refusals_do_not_repeat_what_was_sent(fhir: FhirSession) -> None:
    body = report(subject={"reference": "Patient/clark-dan", "display": 7}, colour="secret-words")
    assert "secret-words" not in fhir.send("POST", "/DiagnosticReport", body).text


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"<Observation/>", "application/fhir+xml", 415),
        (b"", "application/fhir+json", 400),
        (b"[]", "application/fhir+json", 400),
        (b"{", "application/fhir+json", 400),
        (b'{"resourceType": "Observation", "resourceType": "Patient"}', "application/json", 400),
        (b'{"resourceType": "Observation", "n": NaN}', "application/fhir+json", 400),
        (b'{"resourceType": "Patient"}', "application/fhir+json", 400),
        (b'{"resourceType": 1}', "application/fhir+json", 400),
        (b"[" * 100000, "application/fhir+json", 400),
        (b"\xff\xfe", "application/fhir+json", 400),
        (b" " * (8 * 1024 * 1024 + 1), "application/fhir+json", 413),
    ],
)
def test_bodies_that_are_no_json_resource_are_refused(
    fhir: FhirSession, content: bytes, content_type: str, status: int
) -> None:
    response = requests.post(
        f"{fhir.hospital.fhir_base}/Observation",
        data=content,
        headers={"Authorization": f"Bearer {fhir.access_token}", "Content-Type": content_type},
        timeout=10,
    )
    assert response.status_code == status
    assert texts(response)


@pytest.mark.parametrize("name", ["123", "other", None])
def test_put_needs_the_address_id_in_the_body_and_letters_in_it(
    fhir: FhirSession, name: str | None
) -> None:
    body = observation(**({"id": name} if name else {}))
    assert (
        fhir.send("PUT", f"/Observation/{'123' if name == '123' else 'x-1'}", body).status_code
        == 400
    )


def test_absolute_references_to_own_records_become_relative(fhir: FhirSession) -> None:
    body = observation(subject={"reference": f"{fhir.hospital.fhir_base}/Patient/clark-dan"})
    stored = fhir.send("POST", "/Observation", body).json()
    assert stored["subject"]["reference"] == "Patient/clark-dan"


@pytest.mark.parametrize("depth", [500, 800, 900, 960, 5000])
def test_json_that_is_nested_very_deep_breaks_nothing(fhir: FhirSession, depth: int) -> None:
    response = requests.post(
        f"{fhir.hospital.fhir_base}/Observation",
        data=b'{"resourceType": "Observation", "a": ' + b"[" * depth + b"]" * depth + b"}",
        headers={
            "Authorization": f"Bearer {fhir.access_token}",
            "Content-Type": "application/fhir+json",
        },
        timeout=10,
    )
    assert response.status_code in (400, 403, 422)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(unhurried, max_examples=150)
@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_whatever_is_sent_is_taken_or_refused_and_breaks_nothing(
    fhir: FhirSession, changes: dict[str, Any]
) -> None:
    response = fhir.send("POST", "/DiagnosticReport", {**report(), **changes})
    assert response.status_code in (201, 400, 403, 422), response.text
