from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.scopes import FhirScope, covers, missing_scopes, parse

levels = st.sampled_from(["patient", "user", "system"])
resources = st.sampled_from(["*", "Patient", "Observation", "DiagnosticReport"])
letters = st.sets(st.sampled_from("cruds"), min_size=1).map(
    lambda chosen: "".join(letter for letter in "cruds" if letter in chosen)
)
queries = st.sampled_from(["", "?category=laboratory", "?category=laboratory&status=final"])
fhir_scopes = st.builds(
    lambda level, resource, access, query: f"{level}/{resource}.{access}{query}",
    levels, resources, letters, queries,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ("patient/Patient.read", "rs"),
        ("patient/Patient.write", "cud"),
        ("patient/Patient.*", "cruds"),
        ("patient/Patient.r", "r"),
        ("patient/Patient.cruds", "cruds"),
        ("user/*.rs", "rs"),
        ("http://smarthealthit.org/fhir/scopes/patient/*.r", "r"),
    ],
)
def test_both_syntaxes_are_read(text: str, access: str) -> None:
    scope = parse(text)
    assert scope is not None
    assert scope.access == access


def test_constraints_are_read() -> None:
    constraints = frozenset({("category", "http://x|lab"), ("status", "final")})
    assert parse("patient/Observation.rs?category=http://x|lab&status=final") == FhirScope(
        "patient", "Observation", "rs", constraints
    )


@pytest.mark.parametrize(
    "text",
    ["", "openid", "launch/patient", "patient/Patient", "patient/Patient.", "patient/Patient.sr",
     "patient/Patient.rr", "patient/Patient.x", "patient/patient.r", "practitioner/Patient.r",
     "patient/Patient.r?", "patient/Patient.r?&", "patient/Patient.r ?x=1",
     "patient/Patient.reads", "Patient/Patient.r"],
)  # fmt: skip
def test_other_texts_are_not_scopes_on_resources(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("patient/Patient.read", "patient/Patient.r"),
        ("patient/*.read", "patient/ImagingStudy.rs"),
        ("patient/*.*", "patient/DiagnosticReport.crus"),
        ("user/Patient.r", "patient/Patient.r"),
        ("patient/Observation.rs patient/Observation.write", "patient/Observation.crus"),
        ("patient/Observation.c patient/*.rus", "patient/Observation.crus"),
        ("patient/Observation.rs", "patient/Observation.rs?category=laboratory"),
        ("patient/Observation.rs?category=a", "patient/Observation.rs?category=a&status=final"),
        ("patient/Patient.rs", "patient/Patient.read"),
        ("openid", "openid"),
        ("http://openid.net/specs/openid-connect-core-1_0#openid", "openid"),
        ("offline_access", "online_access"),
    ],
)
def test_enough_is_recognised(granted: str, needed: str) -> None:
    assert covers(granted.split(), needed)
    assert missing_scopes([needed], granted.split()) == ()


@pytest.mark.parametrize(
    ("granted", "needed", "missing"),
    [
        ("", "patient/Patient.r", "patient/Patient.r"),
        ("patient/Patient.r", "user/Patient.r", "user/Patient.r"),
        ("system/Patient.r", "patient/Patient.r", "patient/Patient.r"),
        ("patient/Patient.s", "patient/Patient.r", "patient/Patient.r"),
        ("patient/Observation.read", "patient/Observation.crus", "patient/Observation.cu"),
        ("patient/Observation.r", "patient/*.r", "patient/*.r"),
        ("patient/Observation.rs?category=a", "patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.rs?c=a", "patient/Observation.rs?c=b", "patient/Observation.rs?c=b"),
        ("patient/Patientx.r", "patient/Patient.r", "patient/Patient.r"),
        ("online_access", "offline_access", "offline_access"),
        ("launch/patient", "launch", "launch"),
        ("OPENID", "openid", "openid"),
        ("patient/Patient.write", "patient/Patient.read", "patient/Patient.rs"),
    ],
)
def test_what_lacks_is_named_and_no_more(granted: str, needed: str, missing: str) -> None:
    (found,) = missing_scopes([needed], granted.split())
    assert found.scope == missing


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [
        ("patient/Task.cu", "This app may not create or change tasks of this patient."),
        ("patient/Patient.r", "This app may not read the patient's name and birth date."),
        ("user/Endpoint.r", "This app may not read the addresses of the image archive."),
        ("user/Basic.crs", "This app may not create, read or search for Basic entries."),
        ("fhirUser", "The record system did not say which entry in its staff list is yours."),
        ("something-new", "The record system did not grant “something-new”."),
    ],
)  # fmt: skip
def test_what_lacks_is_said_in_plain_words(scope: str, sentence: str) -> None:
    assert missing_scopes([scope], [])[0].sentence == sentence


def test_the_order_of_the_needed_scopes_is_kept_and_nothing_is_said_twice() -> None:
    needed = ["user/Endpoint.r", "openid", "user/Endpoint.r", "fhirUser"]
    assert [m.scope for m in missing_scopes(needed, ["openid"])] == ["user/Endpoint.r", "fhirUser"]


@given(fhir_scopes)
def test_every_scope_covers_itself(scope: str) -> None:
    assert parse(scope) is not None
    assert covers([scope], scope)


@given(st.lists(fhir_scopes, max_size=5), fhir_scopes)
def test_granting_what_is_missing_makes_it_complete(granted: list[str], needed: str) -> None:
    lacking = missing_scopes([needed], granted)
    assert covers([*granted, *(missing.scope for missing in lacking)], needed)


@given(st.lists(fhir_scopes, max_size=5), fhir_scopes, fhir_scopes)
def test_granting_more_never_takes_anything_away(
    granted: list[str], more: str, needed: str
) -> None:
    if covers(granted, needed):
        assert covers([*granted, more], needed)


@given(st.text(), st.lists(st.text()))
def test_no_text_makes_the_comparison_fall_over(needed: str, granted: list[str]) -> None:
    parse(needed)
    for missing in missing_scopes([needed], granted):
        assert missing.sentence
