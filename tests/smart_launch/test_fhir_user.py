from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.fhir_user import parse_fhir_user

BASE = "https://ehr.example/fhir/r4"


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        (f"{BASE}/Practitioner/7", "Practitioner"),
        ("Practitioner/7", "Practitioner"),
        ("PractitionerRole/7", "PractitionerRole"),
        ("Patient/7", "Patient"),
        ("RelatedPerson/7", "RelatedPerson"),
        ("Person/7", "Person"),
        ("Practitioner/7/_history/3", "Practitioner"),
    ],
)
@pytest.mark.parametrize("base", [BASE, BASE + "/"])
def test_a_user_is_absolute_typed_and_without_version(claim: str, kind: str, base: str) -> None:
    user = parse_fhir_user(claim, base)
    assert user is not None
    assert (user.reference, user.type, user.id) == (f"{BASE}/{kind}/7", kind, "7")
    assert user.is_local


@pytest.mark.parametrize(
    "base",
    [
        "https://other.example/fhir/r4",
        "https://ehr.example/fhir",
        "https://ehr.example/fhir/r4/more",
        "http://ehr.example/fhir/r4",
        "https://ehr.example:8443/fhir/r4",
    ],
)
def test_a_user_of_another_server_is_known_but_not_local(base: str) -> None:
    user = parse_fhir_user(f"{base}/Practitioner/7", BASE)
    assert user is not None
    assert (user.reference, user.is_local) == (f"{base}/Practitioner/7", False)


@pytest.mark.parametrize(
    ("claim", "is_patient"),
    [("Patient/1", True), ("RelatedPerson/1", True), ("Practitioner/1", False)],
)
def test_patients_and_their_relatives_are_told_from_staff(claim: str, is_patient: bool) -> None:
    user = parse_fhir_user(claim, BASE)
    assert user is not None
    assert user.is_patient is is_patient


@pytest.mark.parametrize(
    "claim",
    [None, 7, [], "", "Practitioner", "Practitioner/", "practitioner/7", "Device/7", "Group/1",
     "Practitioner/a b", "Practitioner/../Patient/1", "javascript:alert(1)//Practitioner/7",
     "Practitioner/7?x=1", "Practitioner/7#x", "/Practitioner/7", "x/Practitioner/7",
     "https://e.example/a?b=/Practitioner/7", "Practitioner/" + "x" * 65],
)  # fmt: skip
def test_other_claims_name_nobody(claim: object) -> None:
    assert parse_fhir_user(claim, BASE) is None


@given(st.text() | st.from_regex(r"(https?://[a-z./%]{0,20})?Patient/[A-Za-z0-9.%/-]{0,20}"))
def test_no_claim_makes_reading_fall_over_or_local_by_trickery(claim: str) -> None:
    user = parse_fhir_user(claim, BASE)
    if user is not None and user.is_local:
        assert user.reference == f"{BASE}/{user.type}/{user.id}"


@given(
    st.sampled_from(["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"]),
    st.from_regex(r"[A-Za-z0-9\-]{1,64}", fullmatch=True),
)
def test_relative_and_absolute_claims_mean_the_same(kind: str, identifier: str) -> None:
    relative = parse_fhir_user(f"{kind}/{identifier}", BASE)
    assert relative is not None
    assert relative == parse_fhir_user(f"{BASE}/{kind}/{identifier}", BASE)
