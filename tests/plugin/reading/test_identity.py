"""Three legs must agree: launch, study, every image. Pure, so every combination is cheap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.imaging.identity import (
    IdentityCheck,
    IdentityError,
    IdentityRules,
    InstanceIdentity,
    check_identity,
    local_id,
    patient_identity,
    require_identity,
)
from tests.plugin.reading.samples import FHIR_BASE, MRN, STUDY_UID

RULES = IdentityRules(FHIR_BASE, {"HOSPITAL": MRN})
LENIENT = replace(RULES, allow_unverifiable=True)
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "clark-dan",
    "identifier": [{"system": MRN, "value": "H-1001"}],
    "birthDate": "1930-10-19",
    "gender": "male",
}
IMAGE = InstanceIdentity("H-1001", "HOSPITAL", STUDY_UID, "1930-10-19", "M")
SUBJECT = {"reference": "Patient/clark-dan"}

values = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=8)


def check(
    *images: InstanceIdentity,
    patient: dict[str, Any] = PATIENT,
    subject: dict[str, Any] = SUBJECT,
    rules: IdentityRules = RULES,
    launch: str = "clark-dan",
    linked: tuple[dict[str, Any], ...] = (),
) -> IdentityCheck:
    who = patient_identity(patient, rules, linked)
    return check_identity(launch, who, subject, STUDY_UID, images or (IMAGE,), rules)


def test_everything_agrees() -> None:
    assert check().outcome == "match"
    require_identity(check(), RULES)


@pytest.mark.parametrize(
    ("change", "outcome", "code"),
    [
        ({"patient_id": "H-1002"}, "mismatch", "patient_id"),
        ({"patient_id": "h-1001"}, "mismatch", "patient_id"),
        ({"patient_id": "0H-1001"}, "mismatch", "patient_id"),
        ({"patient_id": None}, "unverifiable", "patient_id"),
        ({"patient_id": " H-1001 "}, "match", "match"),
        ({"issuer_of_patient_id": "ELSEWHERE"}, "unverifiable", "issuer_of_patient_id"),
        ({"issuer_of_patient_id": None}, "unverifiable", "issuer_of_patient_id"),
        ({"patient_id": "H-1001\\H-2"}, "unverifiable", "patient_id"),
        ({"patient_id": "H-\t1001"}, "unverifiable", "patient_id"),
        ({"patient_id": "H-1001\u00a0"}, "unverifiable", "patient_id"),
        ({"study_instance_uid": "1.2.3"}, "mismatch", "study_uid"),
        ({"patient_birth_date": "2019-02-03"}, "unverifiable", "birth_date"),
        ({"patient_birth_date": "1930"}, "match", "match"),
        ({"patient_birth_date": None}, "match", "match"),
        ({"study_instance_uid": None}, "mismatch", "study_uid"),
    ],
)
def test_one_image_that_differs_decides(change: dict[str, Any], outcome: str, code: str) -> None:
    found = check(IMAGE, replace(IMAGE, **change), IMAGE)
    assert (found.outcome, found.code) == (outcome, code)


@pytest.mark.parametrize(
    ("subject", "outcome"),
    [
        ({"reference": "Patient/clark-dan"}, "match"),
        ({"reference": "Patient/clark-dan/_history/3"}, "match"),
        ({"reference": f"{FHIR_BASE}/Patient/clark-dan"}, "match"),
        ({"reference": "Patient/other"}, "mismatch"),
        ({"reference": "https://evil.example/fhir/Patient/clark-dan"}, "mismatch"),
        ({"reference": "Group/clark-dan"}, "mismatch"),
        ({"identifier": {"system": MRN, "value": "H-1001"}}, "match"),
        ({"identifier": {"system": MRN, "value": "H-9"}}, "mismatch"),
        ({"display": "CLARK, Dan"}, "unverifiable"),
        ({}, "unverifiable"),
    ],
)
def test_the_subject_of_the_study_is_resolved(subject: dict[str, Any], outcome: str) -> None:
    assert check(subject=subject).outcome == outcome


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("replaces", "match"), ("replaced-by", "match"), ("refer", "match"), ("seealso", "mismatch")],
)
def test_a_link_counts_only_if_it_says_the_same_person(kind: str, outcome: str) -> None:
    link = {"type": kind, "other": {"reference": "Patient/old"}}
    found = check(patient=PATIENT | {"link": [link]}, subject={"reference": "Patient/old"})
    assert found.outcome == outcome


def test_the_number_of_a_linked_record_counts_and_that_of_a_stranger_does_not() -> None:
    link = {"type": "replaces", "other": {"reference": f"{FHIR_BASE}/Patient/old"}}
    patient = PATIENT | {"link": [link]}
    old = {"id": "old", "identifier": [{"system": MRN, "value": "H-7"}]}
    stranger = old | {"id": "stranger"}
    image = replace(IMAGE, patient_id="H-7")
    assert check(image, patient=patient, linked=(old,)).outcome == "match"
    assert check(image, patient=patient, linked=(stranger,)).outcome == "mismatch"


def test_a_patient_resource_of_somebody_else_is_a_mismatch() -> None:
    assert check(patient=PATIENT | {"id": "other"}).code == "launch_patient"


def test_without_an_issuer_the_configured_system_is_used() -> None:
    rules = replace(RULES, default_system=MRN)
    assert check(replace(IMAGE, issuer_of_patient_id=None), rules=rules).outcome == "match"


def test_a_study_without_images_proves_nothing() -> None:
    found = check_identity(
        "clark-dan", patient_identity(PATIENT, RULES), SUBJECT, STUDY_UID, [], LENIENT
    )
    assert found.outcome == "unverifiable"
    with pytest.raises(IdentityError):
        require_identity(found, LENIENT)


def test_an_equal_number_with_another_birth_date_stops_whatever_is_configured() -> None:
    number_unknown = replace(IMAGE, patient_birth_date="2019-02-03", patient_id=None)
    for image in (replace(IMAGE, patient_birth_date="2019-02-03"), number_unknown):
        found = check(image, rules=LENIENT)
        with pytest.raises(IdentityError, match="birth date must be the chart's") as stopped:
            require_identity(found, LENIENT)
        assert "1930" not in str(stopped.value)


def test_a_chart_that_knows_the_year_only_contradicts_no_day_of_it() -> None:
    assert check(patient=PATIENT | {"birthDate": "1930"}).outcome == "match"
    assert check(patient=PATIENT | {"birthDate": "1931"}).code == "birth_date"


@pytest.mark.parametrize(
    ("chart", "image", "differs"),
    [
        ("male", "F", True),
        ("female", "M", True),
        ("male", "O", False),
        ("other", "F", False),
        ("unknown", "F", False),
        (None, "F", False),
        ("male", None, False),
    ],
)
def test_another_sex_is_said_and_does_not_stop(
    chart: str | None, image: str | None, differs: bool
) -> None:
    found = check(replace(IMAGE, patient_sex=image), patient=PATIENT | {"gender": chart})
    assert (found.outcome, found.sex_differs) == ("match", differs)
    require_identity(found, RULES)


def test_a_mismatch_stops_whatever_is_configured() -> None:
    found = check(replace(IMAGE, patient_id="H-2"), rules=LENIENT)
    with pytest.raises(IdentityError, match="carries another one"):
        require_identity(found, LENIENT)


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [
        ({}, True),
        ({"patient_birth_date": None}, False),
        ({"patient_birth_date": "1930"}, False),
        ({"patient_birth_date": "1930-10-18"}, False),
        ({"patient_sex": None}, False),
        ({"patient_sex": "F"}, False),
    ],
)
def test_unverifiable_goes_on_only_if_allowed_and_birth_date_and_sex_agree(
    change: dict[str, Any], goes_on: bool
) -> None:
    image = replace(IMAGE, **({"patient_id": None} | change))
    with pytest.raises(IdentityError) as stopped:
        require_identity(check(image), RULES)
    assert stopped.value.code == "identity_unverifiable"
    found = check(IMAGE, image, rules=LENIENT)
    if goes_on:
        require_identity(found, LENIENT)
        return
    with pytest.raises(IdentityError, match="birth date"):
        require_identity(found, LENIENT)


@settings(deadline=None)
@given(values, st.sampled_from(["HOSPITAL", "OTHER", None]), st.lists(st.tuples(values, values)))
def test_a_match_always_means_an_equal_system_and_number(
    number: str, issuer: str | None, identifiers: list[tuple[str, str]]
) -> None:
    patient = PATIENT | {
        "identifier": [{"system": s, "value": v} for s, v in identifiers]
        + [{"system": MRN, "value": "H-1001"}]
    }
    image = replace(IMAGE, patient_id=number, issuer_of_patient_id=issuer)
    if check(image, patient=patient).outcome == "match":
        assert issuer == "HOSPITAL"
        held = {v.strip() for s, v in identifiers if s == MRN} | {"H-1001"}
        assert number.strip(" ") in held


@settings(deadline=None)
@given(st.lists(st.sampled_from(["H-1001", "H-2", None]), min_size=1, max_size=5))
def test_the_verdict_is_that_of_the_worst_image(numbers: list[str | None]) -> None:
    found = check(*(replace(IMAGE, patient_id=number) for number in numbers))
    expected = "mismatch" if "H-2" in numbers else "unverifiable" if None in numbers else "match"
    assert found.outcome == expected


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_reference_to_another_server_is_taken_for_a_local_one(text: str) -> None:
    found = local_id(text, "Patient", FHIR_BASE)
    assert found is None or text.removeprefix(f"{FHIR_BASE}/").startswith(f"Patient/{found}")


def test_no_message_names_the_patient() -> None:
    for change in ({"patient_id": "H-2"}, {"patient_id": None}):
        with pytest.raises(IdentityError) as stopped:
            require_identity(check(replace(IMAGE, **change)), RULES)
        assert "H-" not in str(stopped.value)
        assert "clark" not in str(stopped.value).lower()
