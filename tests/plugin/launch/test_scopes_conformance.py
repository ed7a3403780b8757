"""The scopes that are asked for, against SMART's rules for scopes: docs/smart-conformance.md."""

from __future__ import annotations

import re

import pytest

from plugin.scopes import BACKEND_SCOPES, DEFAULT_SCOPES

# scopes-and-launch-context.html#fhir-resource-scope-syntax, version 2; written down anew here so
# that a mistake in the program's own reading of scopes does not excuse itself.
GRAMMAR = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(?=[cruds])(c?r?u?d?s?)")
CONTEXT = ("launch", "launch/patient")
PLAIN = (*CONTEXT, "openid", "fhirUser", "online_access")
ON_RESOURCES = [scope for scope in (*DEFAULT_SCOPES, *BACKEND_SCOPES) if scope not in PLAIN]


def parts(scope: str) -> tuple[str, str, str]:
    found = GRAMMAR.fullmatch(scope)
    assert found is not None, scope
    return found[1], found[2], found[3]


@pytest.mark.parametrize("scope", ON_RESOURCES)
def test_every_scope_asked_for_is_in_the_syntax_of_smart_version_two(scope: str) -> None:
    assert parts(scope)


@pytest.mark.parametrize("scope", ON_RESOURCES)
def test_no_scope_asked_for_is_a_wildcard_or_allows_deleting(scope: str) -> None:
    _, resource, letters = parts(scope)
    assert resource != "*"
    # A subscription that is not wanted any more is deleted; nothing clinical ever is.
    assert "d" not in letters or resource == "Subscription"


@pytest.mark.parametrize("scopes", [DEFAULT_SCOPES, BACKEND_SCOPES], ids=["user", "backend"])
def test_each_kind_of_entry_is_asked_for_in_one_scope(scopes: tuple[str, ...]) -> None:
    kinds = [parts(scope)[1] for scope in scopes if scope not in PLAIN]
    assert len(kinds) == len(set(kinds))


def test_access_ends_with_the_users_sign_in() -> None:
    assert "online_access" in DEFAULT_SCOPES
    assert "offline_access" not in DEFAULT_SCOPES


def test_context_is_asked_for_by_launch_scopes_alone() -> None:
    context = [s for s in DEFAULT_SCOPES if "/" not in s or s.startswith("launch/")]
    assert set(context) - {"openid", "fhirUser", "online_access"} == {"launch"}


def test_the_user_is_asked_for_by_openid_and_fhir_user() -> None:
    assert {"openid", "fhirUser"} <= set(DEFAULT_SCOPES)
    assert not {"profile", "email"} & set(DEFAULT_SCOPES)


def test_system_scopes_are_asked_for_without_a_user_alone() -> None:
    assert {parts(scope)[0] for scope in BACKEND_SCOPES} == {"system"}
    assert not any(scope.startswith("system/") for scope in DEFAULT_SCOPES)


def test_the_backend_scopes_are_exactly_what_unattended_reading_needs() -> None:
    assert set(BACKEND_SCOPES) == {
        "system/Patient.r",
        "system/ImagingStudy.rs",
        "system/Endpoint.r",
        "system/DiagnosticReport.crus",
        "system/Observation.crus",
        "system/Task.crus",
        "system/Subscription.crud",
    }
