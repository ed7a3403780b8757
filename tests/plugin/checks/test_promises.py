"""What an EHR's documents promise, against what the configuration needs; and how it is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.checks import Result
from plugin.checks.promises import check_write_mode, lacking
from plugin.commands.check import in_words
from plugin.ehrs import Ehr
from smart_launch.discovery import SmartConfiguration
from tests.plugin.checks.conftest import STATEMENT

EHR = Ehr(id="x", name="X", issuer="https://ehr.example/fhir", client_id="wetread")


def configuration(**values: Any) -> SmartConfiguration:
    return SmartConfiguration(EHR.issuer, "https://ehr.example/token", **values)


def test_endpoints_that_are_not_used_because_they_lie_elsewhere_are_named() -> None:
    found = configuration(
        revocation_endpoint="https://other.example/steal",
        introspection_endpoint="https://ehr.example/introspect",
    )
    elsewhere = [one for one in lacking("EHR x", EHR, found) if one.code == "endpoint_elsewhere"]
    assert [one.kind for one in elsewhere] == ["warning"]
    assert "revocation_endpoint" in elsewhere[0].text


def test_safer_proof_that_is_offered_and_not_used_is_said() -> None:
    offered = configuration(token_endpoint_auth_methods_supported=("private_key_jwt",))
    codes = [one.code for one in lacking("EHR x", EHR, offered)]
    assert "authentication" in codes
    signed = replace(EHR, authentication="private_key")
    assert "authentication" not in [one.code for one in lacking("EHR x", signed, offered)]


@pytest.mark.parametrize(
    ("listed", "remedy"), [(("RS384",), "RS384"), (("RS256",), "administrator")]
)
def test_algorithm_that_the_ehr_does_not_take_is_a_failure(
    listed: tuple[str, ...], remedy: str
) -> None:
    offered = configuration(token_endpoint_auth_signing_alg_values_supported=listed)
    signed = replace(EHR, authentication="private_key")
    [found] = [one for one in lacking("EHR x", signed, offered) if one.code == "signing_algorithm"]
    assert (found.kind, remedy in found.remedy) == ("failure", True)


def test_write_mode_that_does_not_fit_names_one_that_does() -> None:
    server = json.loads(json.dumps(STATEMENT))
    server["rest"][0]["interaction"] = []
    for entry in server["rest"][0]["resource"]:
        entry["updateCreate"] = False
    [found] = check_write_mode("EHR x", replace(EHR, write="transaction-put"), server)
    assert found.kind == "warning"
    assert 'write = "create"' in found.remedy
    [fits] = check_write_mode("EHR x", replace(EHR, write="create"), server)
    assert fits.kind == "ok"


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rest", "mode", "resource", "type", "interaction", "code"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_capability_statement_is_read_without_an_accident(document: Any) -> None:
    statement = document if isinstance(document, dict) else {"rest": document}
    for mode in ("transaction-put", "put", "create"):
        list(check_write_mode("EHR x", replace(EHR, write=mode), statement))


@given(st.text(max_size=60))
def test_nothing_that_an_ehr_writes_reaches_the_terminal_as_a_command(text: str) -> None:
    signed = replace(EHR, authentication="private_key")
    offered = configuration(token_endpoint_auth_signing_alg_values_supported=(text,))
    for result in lacking("EHR x", signed, offered):
        assert all(line.isprintable() for line in unstyled(in_words(result)))


def test_control_characters_of_a_document_are_shown_as_their_numbers() -> None:
    result = Result("failure", "EHR x", "a", "it takes \x1b[2J\u202eok", "Ask \rthem.")
    assert unstyled(in_words(result)) == [
        "FAIL  EHR x: it takes <U+001B>[2J<U+202E>ok",
        "      -> Ask <U+000D>them.",
    ]


def unstyled(words: str) -> list[str]:
    """The lines, without the colour of the mark alone: the first two commands of the output."""
    start, mark, rest = words.partition("FAIL") if "FAIL" in words else words.partition("warn")
    assert start.startswith("\x1b[")
    return (mark + rest.replace("\x1b[0m", "", 1)).split("\n")
