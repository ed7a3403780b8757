from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.context import LaunchContext, read_context, read_fhir_context
from smart_launch.errors import LaunchRefused
from smart_launch.fhir_user import parse_fhir_user

BASE = "https://ehr.example/fhir/r4"
STUDY_UID = {"system": "urn:dicom:uid", "value": "urn:oid:1.2"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


def test_everything_that_smart_names_is_read() -> None:
    user = parse_fhir_user("Practitioner/7", BASE)
    context = read_context(
        {
            "patient": "pat-1",
            "encounter": "enc-1",
            "fhirContext": [{"reference": "ImagingStudy/st-1"}],
            "intent": "read-study",
            "need_patient_banner": False,
            "tenant": "ward-3",
            "smart_style_url": "https://ehr.example/style.json",
        },
        BASE,
        user=user,
    )
    assert (context.patient, context.encounter) == ("pat-1", "enc-1")
    assert context.imaging_study == "st-1"
    assert (context.intent, context.tenant) == ("read-study", "ward-3")
    assert context.need_patient_banner is False
    assert context.smart_style_url == "https://ehr.example/style.json"
    assert (context.fhir_user, context.user) == (f"{BASE}/Practitioner/7", user)


def test_a_silent_server_leaves_the_patient_banner_on_and_the_rest_empty() -> None:
    assert read_context({}, BASE) == LaunchContext(need_patient_banner=True)


@pytest.mark.parametrize(
    ("value", "needed"),
    [(True, True), (False, False), ("false", False), ("true", True), (None, True), (0.5, True)],
)
def test_only_a_clear_no_hides_the_patient_banner(value: object, needed: bool) -> None:
    assert read_context({"need_patient_banner": value}, BASE).need_patient_banner is needed


@pytest.mark.parametrize(
    "value",
    [None, "", 7, ["pat-1"], {"id": "x"}, "pat 1", "../Patient/1", "..", ".", "a" * 65, "1?x=y",
     "Encounter/1", "https://evil.example/Patient/1", "1\n"],
)  # fmt: skip
def test_what_cannot_be_a_patient_is_no_patient(value: object) -> None:
    context = read_context({"patient": value}, BASE)
    assert context.patient is None
    with pytest.raises(LaunchRefused, match="patient_missing"):
        context.require_patient()


def test_a_patient_sent_as_a_reference_is_understood() -> None:
    assert read_context({"patient": "Patient/pat-1"}, BASE).require_patient() == "pat-1"


@pytest.mark.parametrize(
    "reference",
    ["ImagingStudy/st-1", f"{BASE}/ImagingStudy/st-1", "ImagingStudy/st-1/_history/2"],
)
@pytest.mark.parametrize("role", [{}, {"role": "launch"}])
def test_an_imaging_study_with_role_launch_or_none_is_the_study(
    reference: str, role: dict[str, str]
) -> None:
    context = read_context({"fhirContext": [{"reference": reference, **role}]}, BASE)
    assert context.imaging_study == "st-1"
    assert context.fhir_context[0].role == "launch"
    assert context.fhir_context[0].type == "ImagingStudy"


@pytest.mark.parametrize(
    "item",
    [
        {"reference": "ImagingStudy/st-1", "role": "https://roles.example/compare"},
        {"reference": "ImagingStudy/st-1", "role": ""},
        {"reference": "ImagingStudy/st-1", "role": None},
        {"reference": "ImagingStudy/st-1", "role": 7},
        {"reference": "https://other.example/fhir/ImagingStudy/st-1"},
        {"reference": "https://ehr.example/fhir/r4/../r5/ImagingStudy/st-1"},
        {"reference": "http://ehr.example/fhir/r4/ImagingStudy/st-1"},
        {"reference": "ImagingStudy/../Patient/1"},
        {"reference": "#st-1"},
        {"reference": "Observation/st-1"},
        {"identifier": STUDY_UID, "type": "ImagingStudy"},
        "ImagingStudy/st-1",
        7,
    ],
)  # fmt: skip
def test_other_items_are_not_the_study(item: object) -> None:
    assert read_context({"fhirContext": [item]}, BASE).imaging_study is None


@pytest.mark.parametrize("role", ["", None, 7, ["launch"], "a\nb"])
def test_an_item_whose_role_cannot_be_read_is_left_out(role: object) -> None:
    assert read_fhir_context([{"reference": "ImagingStudy/st-1", "role": role}], BASE) == ()


def test_of_several_studies_none_is_chosen() -> None:
    items = [{"reference": f"ImagingStudy/st-{number}"} for number in (1, 2, 1)]
    context = read_context({"fhirContext": items}, BASE)
    assert context.imaging_studies == ("st-1", "st-2")
    assert context.imaging_study is None


def test_identifiers_and_canonicals_are_kept() -> None:
    identified, defined = read_fhir_context(
        [
            {"identifier": STUDY_UID, "type": "ImagingStudy"},
            {"canonical": "https://ehr.example/Questionnaire/q|1"},
        ],
        BASE,
    )  # fmt: skip
    assert identified.identifier == ("urn:dicom:uid", "urn:oid:1.2")
    assert identified.type == "ImagingStudy"
    assert defined.canonical == "https://ehr.example/Questionnaire/q|1"


def test_a_reference_to_another_server_stays_absolute() -> None:
    (item,) = read_fhir_context([{"reference": "https://pacs.example/fhir/ImagingStudy/9"}], BASE)
    assert item.reference == "https://pacs.example/fhir/ImagingStudy/9"
    assert item.type == "ImagingStudy"


@pytest.mark.parametrize(
    "url", ["http://ehr.example/style.json", "javascript:alert(1)", "/style.json", 7]
)
def test_a_style_address_that_may_not_be_called_is_dropped(url: object) -> None:
    assert read_context({"smart_style_url": url}, BASE).smart_style_url is None


@pytest.mark.parametrize("intent", ["", 7, "a\nb", "x" * 257, None])
def test_an_unreadable_intent_means_the_default_page(intent: object) -> None:
    assert read_context({"intent": intent}, BASE).intent is None


def test_the_patient_is_not_shown() -> None:
    context = read_context(
        {"patient": "pat-77", "fhirContext": [{"reference": "ImagingStudy/st-88"}]}, BASE
    )
    assert "pat-77" not in repr(context)
    assert "st-88" not in repr(context)


NAMES = (
    "patient",
    "encounter",
    "fhirContext",
    "intent",
    "tenant",
    "smart_style_url",
    "need_patient_banner",
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_no_context_makes_reading_fall_over(parameters: dict[str, Any]) -> None:
    context = read_context(parameters, BASE)
    assert context.patient is None or "/" not in context.patient


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "reference": json_values | st.from_regex(r"ImagingStudy/[a-z0-9./%]{0,9}"),
                "role": json_values | st.just("launch"),
                "identifier": json_values,
                "canonical": json_values,
                "type": json_values,
            },
        )
    )
)
def test_no_fhir_context_makes_reading_fall_over(items: list[Any]) -> None:
    for item in read_fhir_context(items, BASE):
        assert item.reference or item.identifier or item.canonical
        assert item.role
