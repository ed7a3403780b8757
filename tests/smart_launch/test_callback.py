from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.callback import (
    check_authorization_error,
    check_response_issuer,
    read_authorization_response,
    same_secret,
)
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import LaunchRefused

CONFIGURATION = SmartConfiguration(
    fhir_base="https://ehr.example/fhir",
    token_endpoint="https://ehr.example/token",
    issuer="https://login.example",
)
PROMISES_ISS = dataclasses.replace(
    CONFIGURATION, authorization_response_iss_parameter_supported=True
)


def read(parameters: dict[str, str], configuration: SmartConfiguration = CONFIGURATION) -> str:
    return read_authorization_response(
        parameters, expected_state="the-state", configuration=configuration
    )


def test_the_code_comes_out_when_everything_fits() -> None:
    assert read({"code": "c", "state": "the-state"}) == "c"
    assert read({"code": "c", "state": "the-state", "iss": "https://login.example"}) == "c"


@pytest.mark.parametrize("state", ["", "another", "the-stat", "the-state ", "\ud800"])
def test_a_foreign_state_is_refused(state: str) -> None:
    with pytest.raises(LaunchRefused, match="state_mismatch"):
        read({"code": "c", "state": state})


def test_a_missing_state_is_refused() -> None:
    with pytest.raises(LaunchRefused, match="state_mismatch"):
        read({"code": "c"})


def test_an_empty_expected_state_matches_nothing() -> None:
    assert not same_secret("", "")


def test_the_state_is_checked_before_the_servers_error_is_believed() -> None:
    with pytest.raises(LaunchRefused, match="state_mismatch"):
        read({"error": "access_denied", "state": "another"})


@pytest.mark.parametrize(
    "iss", ["https://evil.example", "https://login.example/", "https://ehr.example/fhir", ""]
)
def test_an_answer_from_another_issuer_is_refused(iss: str) -> None:
    with pytest.raises(LaunchRefused, match="issuer_mismatch"):
        read({"code": "c", "state": "the-state", "iss": iss})


def test_a_server_that_promised_iss_must_send_it() -> None:
    with pytest.raises(LaunchRefused, match="issuer_missing"):
        read({"code": "c", "state": "the-state"}, PROMISES_ISS)
    with pytest.raises(LaunchRefused, match="issuer_missing"):
        check_response_issuer(PROMISES_ISS, None)


@pytest.mark.parametrize("code", [{}, {"code": ""}])
def test_an_answer_without_a_code_is_refused(code: dict[str, str]) -> None:
    with pytest.raises(LaunchRefused, match="code_missing"):
        read({"state": "the-state", **code})


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ("access_denied", "access_denied", False),
        ("invalid_scope", "invalid_scope", False),
        ("temporarily_unavailable", "temporarily_unavailable", True),
        ("<script>alert(1)</script>", "authorization_failed", False),
    ],
)
def test_the_servers_error_becomes_a_sentence_of_ours(
    error: str, code: str, retryable: bool
) -> None:
    with pytest.raises(LaunchRefused) as caught:
        read({"error": error, "state": "the-state", "error_description": "call 0900-EVIL"})
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "EVIL" not in str(caught.value)
    assert "script" not in str(caught.value)


def test_no_error_passes() -> None:
    check_authorization_error(None)
    check_authorization_error("")


@given(st.text(), st.text(min_size=1))
def test_secrets_are_the_same_only_when_equal(first: str, second: str) -> None:
    assert same_secret(first, second) == (first == second)
    assert same_secret(second, second)
