"""``$validate``: the same rules as the write, and nothing is stored (R4, "validate")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from sandbox.errors import FhirProblem
from sandbox.fhir.validate_operation import read_question
from sandbox.server import RunningSandbox
from tests.sandbox.conftest import open_hospital
from tests.sandbox.patience import unhurried
from tests.sandbox.smart_client import SCOPES, FhirSession, SmartClient, observation, report


@pytest.fixture(scope="module")
def fhir(hospital: RunningSandbox) -> FhirSession:
    return SmartClient(hospital).fhir()


def severities(fhir: FhirSession, path: str, body: dict[str, Any]) -> list[str]:
    response = fhir.send("POST", path, body)
    assert response.status_code == 200, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    return [issue["severity"] for issue in response.json()["issue"]]


def test_good_report_has_no_issues_and_is_not_stored(fhir: FhirSession) -> None:
    body = report(identifier=[{"system": "urn:test", "value": "validated"}])
    assert severities(fhir, "/DiagnosticReport/$validate?mode=create", body) == ["information"]
    assert fhir.ids("/DiagnosticReport?identifier=urn:test|validated") == []


def test_bad_report_is_an_answer_and_not_a_refusal(fhir: FhirSession) -> None:
    bad = report(status="bogus")
    assert severities(fhir, "/DiagnosticReport/$validate?mode=create", bad) == ["error"]


def test_reference_to_what_may_come_with_the_write_is_a_warning(fhir: FhirSession) -> None:
    coming = report(result=[{"reference": "Observation/not-yet"}])
    assert severities(fhir, "/DiagnosticReport/$validate?mode=create", coming) == ["warning"]


def test_parameters_may_hold_resource_and_mode(fhir: FhirSession) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": observation(id="v-1")},
            {"name": "mode", "valueCode": "update"},
        ],
    }
    assert severities(fhir, "/Observation/$validate", body) == ["information"]
    assert severities(fhir, "/Observation/v-1/$validate", body) == ["information"]
    assert fhir.get("/Observation/v-1").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/Observation/$validate?mode=create", observation(id="mine"), 422),
        ("/Observation/$validate?mode=update", observation(), 422),
        ("/Observation/other/$validate?mode=update", observation(id="mine"), 400),
        ("/Observation/$validate?mode=delete", observation(), 400),
        ("/Observation/$validate?profile=x", observation(), 400),
        ("/Observation/$validate?mode=create&mode=update", observation(), 400),
        ("/DiagnosticReport/$validate?mode=create", observation(), 400),
        ("/Observation/$validate", {"resourceType": "Parameters"}, 400),
        ("/Observation/$validate", {"resourceType": "Parameters", "parameter": [None]}, 400),
        ("/Observation/$validate", {"resourceType": "Parameters", "parameter": None}, 400),
    ],
)
def test_what_is_no_such_question_is_refused(
    fhir: FhirSession, path: str, body: dict[str, Any], status: int
) -> None:
    assert fhir.send("POST", path, body).status_code == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "parameter", "name", "resource", "valueCode", "id"]),
            inner | st.sampled_from(["Parameters", "Observation", "resource", "mode", "create"]),
            max_size=5,
        )
    ),
    max_leaves=10,
)


@unhurried
@given(st.dictionaries(st.sampled_from(["resourceType", "parameter", "id"]), JSON, max_size=3))
def test_any_body_is_a_question_or_a_refusal(body: dict[str, Any]) -> None:
    for shaped in (body, {**body, "resourceType": "Parameters"}):
        try:
            question = read_question("Observation", None, MultiDict(), shaped)
        except FhirProblem:
            continue
        assert question.resource["resourceType"] == "Observation"
        assert question.mode in (None, "create", "update")


def test_scopes_and_patient_are_those_of_the_write(hospital: RunningSandbox) -> None:
    fhir = SmartClient(hospital).fhir()
    foreign = observation("mayer-rosa")
    assert fhir.send("POST", "/Observation/$validate?mode=create", foreign).status_code == 403
    reading = SCOPES.replace("patient/Observation.crus", "patient/Observation.rs")
    reader = SmartClient(hospital).fhir(scope=reading)
    assert reader.send("POST", "/Observation/$validate", observation()).status_code == 403
    creator = SmartClient(hospital).fhir(scope=reading.replace("Observation.rs", "Observation.c"))
    known = observation(id="v-2")
    assert creator.send("POST", "/Observation/$validate", observation()).status_code == 200
    assert creator.send("POST", "/Observation/v-2/$validate?mode=update", known).status_code == 403


def test_write_profile_answers_for_the_write(tmp_path: Path) -> None:
    with open_hospital(tmp_path / "none", write_profile="none") as hospital:
        fhir = SmartClient(hospital).fhir()
        refused = fhir.send("POST", "/Observation/$validate?mode=create", observation())
        assert refused.status_code == 405
    with open_hospital(tmp_path / "create", write_profile="create") as hospital:
        fhir = SmartClient(hospital).fhir()
        own_id = observation(id="v-3")
        assert fhir.send("POST", "/Observation/$validate?mode=create", observation()).ok
        assert fhir.send("POST", "/Observation/$validate?mode=update", own_id).status_code == 405


def test_metadata_names_the_operation(fhir: FhirSession) -> None:
    (rest,) = fhir.get("/metadata").json()["rest"]
    assert all(kind["operation"][0]["name"] == "validate" for kind in rest["resource"])
