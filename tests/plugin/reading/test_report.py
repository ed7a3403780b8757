"""The report is a pure function of prediction and context, and valid R4."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.prediction import Prediction, Reason
from plugin.reporting.fhir_codes import DATA_ABSENT, LOINC, READING_KEY, own_code_system
from plugin.reporting.image_read import ImageRead
from plugin.reporting.report import ReportResources, build_report, reading_key
from tests.plugin.reading.samples import (
    FACTS,
    IDENTITY,
    READ,
    UNREAD,
    context,
    imaging_study,
    study,
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text and text != ""
)
PROBABILITY = st.floats(0, 1, allow_nan=False)


def assert_valid(resource: dict[str, Any]) -> None:
    model: Any = get_fhir_model_class(resource["resourceType"])
    model.model_validate(resource)


def assert_all_valid(built: ReportResources) -> None:
    for resource in (built.report, built.observation, built.provenance):
        assert_valid(resource)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    if draw(st.booleans()):
        reasons = tuple(Reason("r", text) for text in draw(st.lists(TEXT, max_size=3)))
        return Prediction("cannot_read", IDENTITY, reasons=reasons)
    probability = draw(PROBABILITY)
    bounds = sorted((draw(PROBABILITY), draw(PROBABILITY)))
    return Prediction(
        "ok",
        IDENTITY,
        probability=probability,
        positive=probability >= 0.5,
        classes={"covid": probability, "normal": 1 - probability},
        interval=(bounds[0], bounds[1]) if draw(st.booleans()) else None,
        cautions=tuple(Reason("c", text) for text in draw(st.lists(TEXT, max_size=2))),
    )


def walk(value: Any) -> Any:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from walk(child)


@settings(deadline=None)
@given(predictions(), TEXT, TEXT, st.booleans(), st.sampled_from(["preliminary", "partial"]))
def test_every_report_is_valid_r4_and_says_nothing_that_it_must_not(
    prediction: Prediction, name: str, title: str, unverifiable: bool, status: str
) -> None:
    built = build_report(
        prediction,
        context(
            patient_line=name,
            study=study(description=title),
            unverifiable=unverifiable,
            status=status,
        ),
    )
    assert_all_valid(built)
    assert "interpretation" not in built.observation
    assert "conclusionCode" not in built.report
    assert "performer" not in built.report
    assert "performer" not in built.observation
    assert not [found for found in walk(built.report) if found in ("", None, [], {})]
    assert not [found for found in walk(built.observation) if found in ("", None, [], {})]
    assert ("valueQuantity" in built.observation) != ("dataAbsentReason" in built.observation)
    assert "not a diagnosis" in built.report["conclusion"]


def test_a_read_study_is_reported_with_number_code_and_labels() -> None:
    built = build_report(READ, context())
    report, observation = built.report, built.observation
    assert report["status"] == "preliminary"
    assert report["code"]["coding"] == [
        {"system": LOINC, "code": "36554-4", "display": "XR Chest Single view"}
    ]
    assert "nverified AI reading" in report["code"]["text"]
    codes = {entry["code"] for entry in report["category"][0]["coding"]}
    assert codes == {"RAD", "LP29684-5"}
    assert report["identifier"][0] == {"system": READING_KEY, "value": context().key}
    assert report["identifier"][-1]["value"] == "A1"
    assert report["basedOn"] == [{"reference": "ServiceRequest/s1"}]
    assert report["encounter"] == {"reference": "Encounter/e1"}
    assert report["effectiveDateTime"] == "2020-03-01"
    assert [entry["code"] for entry in report["meta"]["security"]] == ["DEVAST"]
    assert observation["valueQuantity"]["value"] == 0.8731
    assert observation["valueQuantity"]["code"] == "1"
    assert [c["valueQuantity"]["value"] for c in observation["component"]] == [
        0.8731,
        0.1269,
        0.7,
        0.95,
    ]
    assert observation["device"]["reference"] == f"#{observation['contained'][0]['id']}"
    assert "taken as frontal" in report["conclusion"]
    assert "does not exclude" in report["conclusion"]


def test_the_report_says_which_image_was_read_and_the_observation_carries_its_number() -> None:
    image = ImageRead(2, 3, "PA", "1.2.3")
    built = build_report(READ, context(image=image))
    assert_all_valid(built)
    assert image.sentence in built.report["conclusion"]
    component = built.observation["component"][-1]
    assert component["code"]["coding"][0]["code"] == "image-read"
    assert component["valueString"] == "urn:oid:1.2.3"


def test_the_observation_alone_says_for_which_share_of_ill_patients_its_number_was_made() -> None:
    facts = replace(FACTS, reference_prevalence=0.43)
    built = build_report(READ, context(model=facts))
    assert_all_valid(built)
    (note,) = built.observation["note"]
    assert "43 in 100 patients" in note["text"]
    assert "note" not in build_report(UNREAD, context(model=facts)).observation


def test_a_study_that_cannot_be_read_is_reported_without_a_number() -> None:
    built = build_report(UNREAD, context())
    assert built.observation["dataAbsentReason"]["coding"][0]["system"] == DATA_ABSENT
    assert "component" not in built.observation
    assert "A lateral view cannot be read." in built.report["conclusion"]
    assert "%" not in built.report["conclusion"]


@pytest.mark.parametrize(
    ("modality", "views", "code"),
    [("CR", 1, "36554-4"), ("DX", 2, "36643-5"), ("CT", 1, "24627-2"), ("CR", 3, None)],
)
def test_the_code_follows_the_study(modality: str, views: int, code: str | None) -> None:
    facts = replace(FACTS, modalities=("CR", "DX", "CT"))
    series = [imaging_study()["series"][0] | {"modality": {"code": modality}}]
    built = build_report(READ, context(model=facts, views=views, study=study(series=series)))
    codes = [entry["code"] for entry in built.report["code"].get("coding", ())]
    assert codes == ([code] if code else [])


def test_the_pdf_is_small_repeatable_and_matches_its_hash_and_size() -> None:
    built, again = build_report(READ, context()), build_report(READ, context())
    form = built.report["presentedForm"][0]
    data = base64.b64decode(form["data"])
    assert data == built.pdf == again.pdf
    assert data.startswith(b"%PDF")
    assert form["size"] == len(data) < 10_000
    assert base64.b64decode(form["hash"]) == hashlib.sha1(data).digest()


def test_ids_begin_with_a_letter_and_follow_from_the_key() -> None:
    built = build_report(READ, context())
    assert built.report["id"] == built.observation["id"] == built.provenance["id"]
    assert built.report["id"][0].isalpha()
    assert len(built.report["id"]) <= 64


def test_the_ai_label_is_added_only_where_the_ehr_takes_it() -> None:
    built = build_report(READ, context(ai_security_label=True))
    assert [entry["code"] for entry in built.report["meta"]["security"]] == ["DEVAST", "AIAST"]


def test_the_launch_encounter_goes_into_the_provenance_only() -> None:
    built = build_report(READ, context(study=study(encounter=None)))
    assert "encounter" not in built.report
    assert "Encounter/e9" in str(built.provenance)


def test_a_user_of_another_server_is_named_by_identifier() -> None:
    built = build_report(READ, context(launched_by="https://other.example/Practitioner/1"))
    assert "reference" not in built.provenance["agent"][1]["who"]
    assert_all_valid(built)


def test_a_reading_of_new_images_is_linked_to_the_earlier_one() -> None:
    built = build_report(READ, context(previous=["DiagnosticReport/old"]))
    assert_all_valid(built)
    link = built.report["extension"][0]
    assert link["url"].endswith("addendumOf")
    assert link["valueReference"] == {"reference": "DiagnosticReport/old"}


def test_unverifiable_identity_is_said_in_the_report() -> None:
    built = build_report(READ, context(unverifiable=True))
    assert "could not be compared" in built.report["conclusion"]


@pytest.mark.parametrize(
    ("started", "effective"),
    [
        ("2020-03-01T10:00:00+01:00", "2020-03-01T10:00:00+01:00"),
        ("2020-03-01T10:00:00Z", "2020-03-01T10:00:00Z"),
        ("2020-03-01T10:00:00", "2020-03-01"),
        ("2020-03", "2020-03"),
    ],
)
def test_a_time_without_zone_becomes_a_date(started: str, effective: str) -> None:
    built = build_report(READ, context(study=study(started=started)))
    assert built.report["effectiveDateTime"] == effective
    assert_all_valid(built)


def test_without_started_the_images_date_is_used() -> None:
    built = build_report(READ, context(study=study(started=None), acquired="2020-02-29"))
    assert built.report["effectiveDateTime"] == "2020-02-29"
    none = build_report(READ, context(study=study(started=None)))
    assert "effectiveDateTime" not in none.report


@settings(deadline=None)
@given(st.permutations(["1.2.3", "1.2.4", "1.2.5"]))
def test_the_key_does_not_depend_on_the_order_of_images(uids: list[str]) -> None:
    expected = reading_key("i", "p", "1.2", ["1.2.3", "1.2.4", "1.2.5"], IDENTITY)
    assert reading_key("i", "p", "1.2", uids, IDENTITY) == expected


def test_the_key_changes_with_everything_that_makes_another_reading() -> None:
    keys = {
        reading_key("i", "p", "1.2", ["1.2.3"], IDENTITY),
        reading_key("j", "p", "1.2", ["1.2.3"], IDENTITY),
        reading_key("i", "q", "1.2", ["1.2.3"], IDENTITY),
        reading_key("i", "p", "1.3", ["1.2.3"], IDENTITY),
        reading_key("i", "p", "1.2", ["1.2.3", "1.2.4"], IDENTITY),
        reading_key("i", "p", "1.2", ["1.2.3"], replace(IDENTITY, weights_sha256="0" * 64)),
        reading_key("i", "p", "1.2", ["1.2.3"], replace(IDENTITY, prepare_version="2")),
    }
    assert len(keys) == 7


def test_the_own_code_system_is_valid() -> None:
    assert_valid(own_code_system())
