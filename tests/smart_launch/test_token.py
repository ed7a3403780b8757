from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration, read_configuration
from smart_launch.errors import TokenRejected
from smart_launch.registration import ClientRegistration
from smart_launch.token import (
    build_code_request,
    build_introspection_request,
    build_refresh_request,
    build_revocation_request,
    read_token_response,
)

REGISTRATION = ClientRegistration(
    "https://ehr.example/fhir", "wetread", "public", "https://app.example/cb", ("launch",)
)
CONFIGURATION = SmartConfiguration(
    "https://ehr.example/fhir",
    "https://login.example/token",
    revocation_endpoint="https://login.example/revoke",
)
ANSWER: dict[str, Any] = {
    "access_token": "secret-a",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "launch  patient/Patient.r",
    "refresh_token": "secret-r",
    "id_token": "secret-i",
    "patient": "pat-1",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


def test_a_code_is_traded_with_its_verifier_and_redirect_uri() -> None:
    request = build_code_request(REGISTRATION, CONFIGURATION, code="c", code_verifier="v")
    assert request.url == "https://login.example/token"
    assert request.form == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://app.example/cb",
        "code_verifier": "v",
        "client_id": "wetread",
    }


@pytest.mark.parametrize("code", ["", "a\nb", "\ud800", "é", "x" * 4097])
def test_what_cannot_be_a_code_is_not_sent(code: str) -> None:
    with pytest.raises(TokenRejected, match="code_invalid"):
        build_code_request(REGISTRATION, CONFIGURATION, code=code, code_verifier="v")


def test_a_refresh_asks_for_the_scopes_of_the_launch_by_naming_none() -> None:
    request = build_refresh_request(REGISTRATION, CONFIGURATION, refresh_token="r")
    assert request.form == {
        "grant_type": "refresh_token",
        "refresh_token": "r",
        "client_id": "wetread",
    }


def test_a_refresh_may_ask_for_less_and_never_for_more() -> None:
    granted = ("patient/*.rs", "openid")
    request = build_refresh_request(
        REGISTRATION,
        CONFIGURATION,
        refresh_token="r",
        granted=granted,
        narrowed_to=("patient/Patient.r",),
    )
    assert request.form["scope"] == "patient/Patient.r"
    with pytest.raises(TokenRejected, match="scope_widened"):
        build_refresh_request(
            REGISTRATION,
            CONFIGURATION,
            refresh_token="r",
            granted=granted,
            narrowed_to=("patient/Patient.cr",),
        )


def test_revocation_names_the_token_and_its_kind() -> None:
    request = build_revocation_request(REGISTRATION, CONFIGURATION, token="r")
    assert request is not None
    assert request.url == "https://login.example/revoke"
    assert request.form["token"] == "r"
    assert request.form["token_type_hint"] == "refresh_token"


def test_without_a_revocation_endpoint_there_is_nothing_to_send() -> None:
    configuration = SmartConfiguration("https://ehr.example/fhir", "https://login.example/token")
    assert build_revocation_request(REGISTRATION, configuration, token="r") is None


@pytest.mark.parametrize(
    ("token_endpoint", "other_endpoint", "is_used"),
    [
        # As Epic, Oracle Health, Keycloak and Medplum have them.
        ("https://e.example/oauth2/token", "https://e.example/oauth2/introspect", True),
        ("https://a.example/tenants/7/smart-v1/token", "https://a.example/tokeninfo", True),
        ("https://e.example/token", "https://E.example:443/revoke", True),
        ("https://b.example/token", "https://a.example/steal", False),
        ("https://e.example/token", "https://e.example:8443/revoke", False),
        ("https://e.example/token", "https://sub.e.example/revoke", False),
        ("http://localhost/token", "https://localhost/revoke", False),
    ],
)
def test_tokens_and_proofs_go_only_to_the_origin_where_tokens_are_given_out(
    our_keys: KeySet, token_endpoint: str, other_endpoint: str, is_used: bool
) -> None:
    named = ("revocation_endpoint", "introspection_endpoint")
    document = {"token_endpoint": token_endpoint} | dict.fromkeys(named, other_endpoint)
    configuration = read_configuration("https://ehr.example/fhir", document)
    registration = replace(REGISTRATION, authentication="private_key")
    for build in (build_revocation_request, build_introspection_request):
        request = build(registration, configuration, token="secret-a", keys=our_keys)
        assert (request is not None) == is_used
        if request is not None:
            assert request.url == other_endpoint
    assert configuration.untrusted_endpoints == (() if is_used else named)


def test_the_answer_is_read_and_the_tokens_are_kept_apart_from_the_context() -> None:
    tokens = read_token_response(ANSWER, requested=())
    assert (tokens.access_token, tokens.refresh_token, tokens.id_token) == (
        "secret-a",
        "secret-r",
        "secret-i",
    )
    assert tokens.expires_in_s == 3600
    assert tokens.granted == ("launch", "patient/Patient.r")
    assert tokens.parameters["patient"] == "pat-1"
    assert not {"access_token", "refresh_token", "id_token"} & tokens.parameters.keys()


def test_neither_tokens_nor_the_patient_are_shown() -> None:
    tokens = read_token_response(ANSWER, requested=())
    request = build_code_request(REGISTRATION, CONFIGURATION, code="c-1", code_verifier="v-1")
    shown = f"{tokens!r} {tokens} {request!r}"
    assert not any(word in shown for word in ("secret-", "pat-1", "c-1", "v-1"))


def test_an_answer_without_scope_means_what_was_asked_for() -> None:
    answer = {k: v for k, v in ANSWER.items() if k != "scope"}
    assert read_token_response(answer, requested=("launch", "openid")).scope == "launch openid"


@pytest.mark.parametrize("token_type", ["bearer", "BEARER", "Bearer"])
def test_bearer_is_recognised_in_any_case(token_type: str) -> None:
    assert read_token_response({**ANSWER, "token_type": token_type}, requested=())


@pytest.mark.parametrize("token_type", [None, "DPoP", "mac", 7, ""])
def test_other_kinds_of_token_are_refused(token_type: object) -> None:
    with pytest.raises(TokenRejected, match="token_type_unknown"):
        read_token_response({**ANSWER, "token_type": token_type}, requested=())


@pytest.mark.parametrize("token", [None, "", 7, "a\r\nHost: evil", "a b", "\u00e9", ["x"]])
def test_an_access_token_that_no_header_can_carry_is_refused(token: object) -> None:
    with pytest.raises(TokenRejected, match="access_token_missing"):
        read_token_response({**ANSWER, "access_token": token}, requested=())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(3600, 3600), ("3600", 3600), (59.9, 59), (0, 0), (-5, 0), (None, None), (True, None),
     ("soon", None), ([], None), (10**30, 366 * 24 * 3600), (float("inf"), 366 * 24 * 3600)],
)  # fmt: skip
def test_the_lifetime_is_read_also_as_text(value: object, seconds: int | None) -> None:
    assert read_token_response({**ANSWER, "expires_in": value}, requested=()).expires_in_s == (
        seconds
    )


@given(st.dictionaries(st.sampled_from(sorted(ANSWER)), json_values))
def test_no_answer_makes_reading_fall_over(changes: dict[str, Any]) -> None:
    try:
        tokens = read_token_response({**ANSWER, **changes}, requested=("launch",))
    except TokenRejected:
        return
    assert tokens.access_token.isascii()
    assert " " not in tokens.access_token
    assert tokens.expires_in_s is None or tokens.expires_in_s >= 0
    assert all(tokens.granted)
