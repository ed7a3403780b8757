"""What is taken from a DICOM header."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from inference.images import DicomFacts, read_facts
from inference.patient_age import with_birth_date
from tests.inference.dicom_files import chest, to_bytes


def facts(**attributes: Any) -> DicomFacts:
    return read_facts(to_bytes(chest(**attributes)))


@pytest.mark.parametrize(
    ("age", "years"),
    [("045Y", 45), ("018M", 1.5), ("010D", 10 / 365.25), ("026W", 26 * 7 / 365.25), ("7Y", 7)],
)
def test_patient_age_is_read_in_every_unit(age: str, years: float) -> None:
    assert facts(PatientAge=age).patient_age_years == pytest.approx(years)


def test_without_patient_age_the_dates_give_the_age() -> None:
    found = facts(PatientAge=None, PatientBirthDate="19301019", StudyDate="20260301")
    assert found.patient_age_years == pytest.approx(95.4, abs=0.1)
    assert found.patient_birth_date == "1930-10-19"


@pytest.mark.parametrize(
    ("age", "born", "years", "in_doubt"),
    [
        ("045Y", "20200101", 4.0, True),
        ("003Y", "19700101", 3.0, True),
        ("045Y", "19790601", 44.6, False),
        ("045Y", "18000101", 45.0, False),
    ],
)
def test_of_an_age_and_a_birth_date_the_younger_counts(
    age: str, born: str, years: float, in_doubt: bool
) -> None:
    found = facts(PatientAge=age, PatientBirthDate=born, StudyDate="20240101")
    assert found.patient_age_years == pytest.approx(years, abs=0.05)
    assert found.patient_age_in_doubt is in_doubt


@pytest.mark.parametrize(
    ("born", "years"),
    [("2010-06-01", 13.6), ("2010-06", 13.5), ("2010", 13.0), (None, None), ("?", None)],
)
def test_the_charts_birth_date_makes_an_unknown_age_known(
    born: str | None, years: float | None
) -> None:
    bare = facts(PatientAge=None, StudyDate="20240101")
    found = with_birth_date(bare, born, None).patient_age_years
    assert found == (None if years is None else pytest.approx(years, abs=0.05))


def test_the_charts_birth_date_can_only_lower_the_age() -> None:
    child = with_birth_date(facts(StudyDate="20240101"), "2020-01-01", None)
    assert child.patient_age_years == pytest.approx(4, abs=0.05)
    assert child.patient_age_in_doubt
    same = with_birth_date(facts(StudyDate="20240101"), "1963-05-01", None)
    assert (same.patient_age_years, same.patient_age_in_doubt) == (60, False)


def test_without_a_date_in_the_image_the_charts_date_of_the_study_is_used() -> None:
    found = with_birth_date(facts(PatientAge=None), "2010-01-01", "2024-01-01T10:00:00Z")
    assert found.patient_age_years == pytest.approx(14, abs=0.05)


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientAge": None},
        {"PatientAge": None, "PatientBirthDate": "19700101"},
        {"PatientAge": None, "PatientBirthDate": "18000101", "StudyDate": "20200101"},
        {"PatientAge": None, "PatientBirthDate": "20200101", "StudyDate": "20100101"},
        {"PatientAge": "999Y"},
        {"PatientAge": "old"},
    ],
)
def test_an_age_that_is_not_known_is_not_guessed(attributes: dict[str, Any]) -> None:
    assert facts(**attributes).patient_age_years is None


def code(meaning: str) -> Sequence:
    item = Dataset()
    item.CodeMeaning = meaning
    return Sequence([item])


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"ViewPosition": "pa"}, "PA"),
        ({"ViewPosition": "LL"}, "LL"),
        ({"ViewPosition": None, "ViewCodeSequence": code("postero-anterior")}, "PA"),
        ({"ViewPosition": None, "ViewCodeSequence": code("antero-posterior")}, "AP"),
        ({"ViewPosition": None, "ViewCodeSequence": code("left lateral")}, "LATERAL"),
        ({"ViewPosition": None, "PatientOrientation": ["P", "F"]}, "LATERAL"),
        ({"ViewPosition": None, "PatientOrientation": ["L", "F"]}, None),
        ({"ViewPosition": None}, None),
    ],
)
def test_the_view_is_what_the_header_says(attributes: dict[str, Any], view: str | None) -> None:
    assert facts(**attributes).view_position == view


def test_the_body_part_is_also_found_as_a_code() -> None:
    found = facts(BodyPartExamined=None, AnatomicRegionSequence=code("Chest"))
    assert found.body_part == "CHEST"


@pytest.mark.parametrize(
    ("attributes", "acquired"),
    [
        ({"AcquisitionDateTime": "20240102030405-0500"}, "2024-01-02T03:04:05-05:00"),
        ({"StudyDate": "20240102", "StudyTime": "030405.123"}, "2024-01-02"),
        (
            {
                "StudyDate": "20240102",
                "StudyTime": "0304",
                "TimezoneOffsetFromUTC": "+0530",
            },
            "2024-01-02T03:04:00+05:30",
        ),
        ({"StudyDate": "20240102", "TimezoneOffsetFromUTC": "+0530"}, "2024-01-02"),
        ({"StudyDate": "20249999"}, None),
        ({}, None),
    ],
)
def test_a_time_is_given_only_with_its_zone(
    attributes: dict[str, Any], acquired: str | None
) -> None:
    assert facts(**attributes).acquired == acquired


def test_the_time_without_zone_is_kept_apart() -> None:
    found = facts(AcquisitionDate="20240102", AcquisitionTime="030405", StudyDate="20240101")
    assert (found.acquired_date, found.acquired_time) == ("2024-01-02", "03:04:05")


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 100", "Müller"), ("ISO_IR 192", "山田 Ω"), ("ISO_IR 144", "Люкceмбypг")],
)
def test_character_sets_are_decoded(charset: str, text: str) -> None:
    found = facts(SpecificCharacterSet=charset, StudyDescription=text)
    assert found.study_description == text


def test_an_unknown_character_set_does_not_stop_the_reading() -> None:
    assert facts(SpecificCharacterSet="ISO_IR 999", StudyDescription="Thorax").modality == "CR"


def test_text_is_trimmed_bounded_and_free_of_control_characters() -> None:
    found = facts(StudyDescription="  chest\x1b[31m\n\x00 pa  ", Manufacturer="x" * 5000)
    assert found.study_description == "chest [31m pa"
    assert len(found.manufacturer or "") == 256


def test_identifiers_are_read_as_written() -> None:
    found = facts(PatientID=" H-1001 ", IssuerOfPatientID="HOSPITAL", AccessionNumber="A1")
    assert (found.patient_id, found.issuer_of_patient_id) == ("H-1001", "HOSPITAL")
    assert found.accession_number == "A1"
    assert found.sop_instance_uid == "1.2.3.4"


@pytest.mark.parametrize("number", ["H   1001", "H\u00a01001", "H\t1001", "x" * 300])
def test_no_character_inside_an_identifier_is_changed(number: str) -> None:
    found = facts(SpecificCharacterSet="ISO_IR 100", PatientID=number, IssuerOfPatientID=number)
    assert (found.patient_id, found.issuer_of_patient_id) == (number, number)


def test_two_numbers_in_one_element_stay_two() -> None:
    assert facts(PatientID="H-1001\\H-2").patient_id == "H-1001\\H-2"


@pytest.mark.parametrize(
    ("orientation", "edge"),
    [(["L", "F"], "R"), (["R", "F"], "L"), (["LA", "F"], "R"), (["P", "F"], None), (None, None)],
)
def test_the_side_at_the_left_edge_follows_from_the_orientation(
    orientation: list[str] | None, edge: str | None
) -> None:
    attributes = {"PatientOrientation": orientation} if orientation else {}
    assert facts(**attributes).left_edge == edge


def test_absent_and_empty_values_are_none() -> None:
    found = facts(AccessionNumber="", Manufacturer="   ")
    assert found.accession_number is None
    assert found.manufacturer is None
    assert found.series_number is None
