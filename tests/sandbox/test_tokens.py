"""Codes, tokens and how they end (RFC 6749, RFC 7009, RFC 7636, RFC 7662, RFC 9700)."""

from __future__ import annotations

import pytest
import requests

from sandbox.server import RunningSandbox
from tests.sandbox.patience import let_time_pass
from tests.sandbox.smart_client import CALLBACK, SCOPES, FhirSession, SmartClient


def error_of(response: requests.Response) -> str:
    assert response.headers["Cache-Control"] == "no-store"
    assert response.status_code in (400, 401), response.text
    return response.json()["error"]


def test_token_answer_is_never_cached(client: SmartClient) -> None:
    response = client.token(client.code_form(client.code()))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"


def test_replayed_code_is_refused_and_ends_the_tokens_issued_for_it(client: SmartClient) -> None:
    form = client.code_form(client.code())
    first = client.token(form).json()
    fhir = FhirSession(client.hospital, first["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 200
    assert error_of(client.token(form)) == "invalid_grant"
    assert fhir.get("/Patient/clark-dan").status_code == 401
    assert error_of(client.token(refresh_form(first["refresh_token"]))) == "invalid_grant"


def refresh_form(token: str, **changes: str) -> dict[str, str]:
    known = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "wetread"}
    return {**known, **changes}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": f"{CALLBACK}?kept=1"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"client_id": "stranger"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": "guess"}, "invalid_client"),
    ],
)
def test_wrong_token_requests_are_refused(
    client: SmartClient, changes: dict[str, str | None], error: str
) -> None:
    form = client.code_form(client.code(), **{k: v for k, v in changes.items() if k != "code"})
    if "code" in changes:
        form["code"] = changes["code"] or ""
    assert error_of(client.token(form)) == error


def test_code_is_used_up_by_a_wrong_verifier(client: SmartClient) -> None:
    code = client.code()
    assert error_of(client.token(client.code_form(code, code_verifier="w" * 43))) == "invalid_grant"
    assert error_of(client.token(client.code_form(code))) == "invalid_grant"


def test_code_is_good_for_a_minute(client: SmartClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = client.code(), client.code()
    let_time_pass(monkeypatch, 50)
    assert client.token(client.code_form(first)).status_code == 200
    let_time_pass(monkeypatch, 61)
    response = client.token(client.code_form(second))
    assert response.json()["error_description"] == "the code is too old"


def test_token_request_must_be_a_form_without_repetition_or_query(client: SmartClient) -> None:
    form = client.code_form(client.code())
    address = client.hospital.settings.token_url
    assert error_of(requests.post(address, json=form, timeout=10)) == "invalid_request"
    assert error_of(requests.post(f"{address}?x=1", data=form, timeout=10)) == "invalid_request"
    twice = [*form.items(), ("code", "another")]
    assert error_of(requests.post(address, data=twice, timeout=10)) == "invalid_request"
    assert requests.get(address, timeout=10).status_code == 405


def test_refresh_gives_new_tokens_for_the_same_patient(client: SmartClient) -> None:
    first = client.launch()
    second = client.token(refresh_form(first["refresh_token"])).json()
    assert second["patient"] == "clark-dan"
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    fhir = FhirSession(client.hospital, second["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 200


def test_reused_refresh_token_ends_the_whole_family(client: SmartClient) -> None:
    first = client.launch()
    second = client.token(refresh_form(first["refresh_token"])).json()
    assert error_of(client.token(refresh_form(first["refresh_token"]))) == "invalid_grant"
    assert error_of(client.token(refresh_form(second["refresh_token"]))) == "invalid_grant"
    fhir = FhirSession(client.hospital, second["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 401


def test_refresh_may_narrow_scopes_and_never_widen_them(client: SmartClient) -> None:
    first = client.launch()
    token = first["refresh_token"]
    wider = client.token(refresh_form(token, scope="patient/Patient.cruds"))
    assert error_of(wider) == "invalid_scope"
    narrow = client.token(refresh_form(token, scope="patient/Patient.r")).json()
    assert narrow["scope"] == "patient/Patient.r"
    fhir = FhirSession(client.hospital, narrow["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 200
    assert fhir.get("/DiagnosticReport").status_code == 403
    again = client.token(refresh_form(narrow["refresh_token"])).json()
    assert again["scope"].split() == SCOPES.split()


def test_refresh_token_of_another_client_is_refused(client: SmartClient) -> None:
    token = client.launch()["refresh_token"]
    stolen = client.token(refresh_form(token, client_id="other"))
    assert error_of(stolen) == "invalid_grant"
    assert client.token(refresh_form(token)).status_code == 200


def test_refresh_tokens_run_out(client: SmartClient, monkeypatch: pytest.MonkeyPatch) -> None:
    lifetime_s = client.hospital.settings.refresh_token_s
    token = client.launch()["refresh_token"]
    let_time_pass(monkeypatch, lifetime_s + 1)
    assert error_of(client.token(refresh_form(token))) == "invalid_grant"


def test_refreshing_does_not_prolong_a_sign_in_for_ever(
    client: SmartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifetime_s = client.hospital.settings.refresh_token_s
    token = client.launch()["refresh_token"]
    let_time_pass(monkeypatch, lifetime_s - 60)
    renewed = client.token(refresh_form(token)).json()["refresh_token"]
    let_time_pass(monkeypatch, lifetime_s + 1)
    assert error_of(client.token(refresh_form(renewed))) == "invalid_grant"


def test_no_refresh_token_without_its_scope(client: SmartClient) -> None:
    found = client.launch(scope="launch openid patient/Patient.r")
    assert "refresh_token" not in found


def test_access_token_is_no_refresh_token_and_the_other_way_round(client: SmartClient) -> None:
    found = client.launch()
    swapped = client.token(refresh_form(found["access_token"]))
    assert error_of(swapped) == "invalid_grant"
    fhir = FhirSession(client.hospital, found["refresh_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 401


def revoke(hospital: RunningSandbox, token: str, client_id: str = "wetread") -> requests.Response:
    form = {"token": token, "client_id": client_id}
    return requests.post(f"{hospital.base_url}/auth/revoke", data=form, timeout=10)


def test_revoked_refresh_token_ends_the_access_token_too(client: SmartClient) -> None:
    found = client.launch()
    assert revoke(client.hospital, found["refresh_token"]).status_code == 200
    fhir = FhirSession(client.hospital, found["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 401


def test_revocation_by_another_client_changes_nothing(client: SmartClient) -> None:
    found = client.launch()
    assert revoke(client.hospital, found["access_token"], "other").status_code == 200
    assert revoke(client.hospital, "made-up").status_code == 200
    fhir = FhirSession(client.hospital, found["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 200


def test_public_client_may_not_introspect(client: SmartClient) -> None:
    address = f"{client.hospital.base_url}/auth/introspect"
    form = {"token": client.launch()["access_token"], "client_id": "wetread"}
    assert error_of(requests.post(address, data=form, timeout=10)) == "invalid_client"


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer made-up"}, {"Authorization": "x"}]
)
def test_records_need_a_good_token(hospital: RunningSandbox, header: dict[str, str]) -> None:
    for path in ("/Patient/clark-dan", "/Patient", "/nonsense/at/all"):
        response = requests.get(f"{hospital.fhir_base}{path}", headers=header, timeout=10)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        assert response.json()["resourceType"] == "OperationOutcome"


def test_token_in_the_address_is_not_taken(client: SmartClient) -> None:
    token = client.launch()["access_token"]
    address = f"{client.hospital.fhir_base}/Patient/clark-dan?access_token={token}"
    assert requests.get(address, timeout=10).status_code == 401
