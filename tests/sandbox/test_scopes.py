from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.access import Access
from sandbox.scopes import PERMISSIONS, grant, in_words, parse_clinical, split_scopes, within
from tests.sandbox.patience import unhurried

KINDS = st.sampled_from(["*", "Patient", "Observation", "DiagnosticReport"])
CONTEXTS = st.sampled_from(["patient", "user", "system"])
LETTERS = st.sets(st.sampled_from(PERMISSIONS), min_size=1).map(
    lambda letters: "".join(letter for letter in PERMISSIONS if letter in letters)
)
V1 = st.sampled_from(["read", "write", "*"])
CLINICAL = st.builds(lambda c, k, p: f"{c}/{k}.{p}", CONTEXTS, KINDS, LETTERS | V1)
TOKENS = CLINICAL | st.sampled_from(["launch", "openid", "fhirUser", "online_access", "nonsense"])
LISTS = st.lists(TOKENS, max_size=6)


def allowed(tokens: list[str] | tuple[str, ...]) -> set[tuple[str, str, str]]:
    """Every single (context, type, letter) that scopes allow."""
    found = set()
    for scope in filter(None, map(parse_clinical, tokens)):
        kinds = ["Patient", "Observation", "DiagnosticReport", "Task"]
        for kind in kinds if scope.kind == "*" else [scope.kind]:
            found |= {(scope.context, kind, letter) for letter in scope.permissions}
    return found


@unhurried
@given(LISTS, LISTS)
def test_what_is_granted_is_exactly_what_both_sides_allow(
    asked: list[str], limit: list[str]
) -> None:
    assert allowed(grant(asked, limit)) == allowed(asked) & allowed(limit)


@unhurried
@given(LISTS, LISTS)
def test_plain_scopes_are_granted_only_when_registered_and_asked(
    asked: list[str], limit: list[str]
) -> None:
    plain = {token for token in grant(asked, limit) if parse_clinical(token) is None}
    assert plain == {t for t in asked if t in limit and not parse_clinical(t)} - {"nonsense"}


@unhurried
@given(LISTS)
def test_granting_what_is_registered_changes_nothing(asked: list[str]) -> None:
    known = [token for token in dict.fromkeys(asked) if token != "nonsense"]
    assert within(known, grant(known, known))


@unhurried
@given(st.text(max_size=40))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        tokens = split_scopes(text)
    except ValueError:
        return
    assert all(" " not in token for token in tokens)
    assert len(set(tokens)) == len(tokens)


@pytest.mark.parametrize(
    "token",
    [
        "patient/Observation.sr",
        "patient/Observation.",
        "patient/observation.r",
        "patient/Observation.rs?category=laboratory",
        "Patient/Observation.r",
        "patient/Observation.readwrite",
    ],
)
def test_malformed_and_granular_scopes_are_never_granted(token: str) -> None:
    assert parse_clinical(token) is None
    assert grant([token], [token, "patient/*.cruds"]) == ()


def test_v1_scope_is_answered_in_the_clients_own_syntax() -> None:
    assert grant(["patient/Observation.read"], ["patient/*.cruds"]) == ("patient/Observation.read",)
    assert grant(["patient/*.read"], ["patient/Patient.r"]) == ("patient/Patient.r",)


def test_user_scope_of_staff_reaches_everyone_and_of_a_patient_only_himself() -> None:
    staff = Access("c", "Practitioner/p", "a", ("user/Observation.r",))
    patient = Access("c", "Patient/a", "a", ("user/Observation.r",))
    assert staff.reach("Observation", "r").admits("b")
    assert patient.reach("Observation", "r").admits("a")
    assert not patient.reach("Observation", "r").admits("b")


def test_patient_scope_without_a_patient_reaches_nobody() -> None:
    assert not Access("c", "Practitioner/p", None, ("patient/*.cruds",)).reach("Observation", "r")


def test_consent_says_scopes_in_words() -> None:
    assert in_words("patient/DiagnosticReport.cru") == (
        "create, read, change DiagnosticReport records of this patient"
    )
    assert in_words("launch") == "know which patient and study are open"
