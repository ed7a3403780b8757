"""Which studies are named: those that, for certain, no clinician has reported on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.cds.chart import Chart
from plugin.cds.chest_studies import chest_studies
from plugin.reporting.fhir_codes import STUDY_KEY
from plugin.reporting.wording import UNREAD
from tests.plugin.cds.ehr import ai_report, report, study

BASE = "https://ehr.example/fhir"


DICOM = {"system": "urn:dicom:uid"}
SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
LABORATORY = {"coding": [{"system": SECTIONS, "code": "LAB"}]}
RADIOLOGY = {"coding": [{"system": SECTIONS, "code": "RAD"}]}
OLD_LABORATORY = {"coding": [{"system": "http://hl7.org/fhir/v2/0074", "code": "LAB"}]}
NOTE, US_RADIOLOGY = (
    {"coding": [{"system": "http://loinc.org", "code": code}]} for code in ("34117-2", "LP29684-5")
)
OF_THE_HOUSE = {"coding": [{"system": "urn:oid:1.2.3", "code": "Lab"}], "text": "Lab"}
NUMBER = {"system": "https://hospital.example/accession", "value": "A-1"}


def states(studies: list[dict[str, Any]], *reports: dict[str, Any]) -> dict[str, str]:
    """What would be said of each study."""
    chart = Chart(tuple(studies), reports)
    return {one.id: one.state for one in chest_studies(chart, BASE, ["CR", "DX", "CT"])}


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([], "unread"),
        ([report(status="registered")], "unread"),
        ([report(status="entered-in-error"), report(status="cancelled")], "unread"),
        ([report(2, imagingStudy=[{"identifier": DICOM | {"value": "urn:oid:2.25.2"}}])], "unread"),
        ([report(imagingStudy=None, category=[LABORATORY])], "unread"),
        ([report(imagingStudy=None, category=[LABORATORY, OF_THE_HOUSE])], "unread"),
        ([report(imagingStudy=None, category=[OLD_LABORATORY])], "unread"),
        ([report(imagingStudy=None, category=[NOTE, {"text": "Note"}])], "unread"),
        ([ai_report()], "ai_only"),
        ([ai_report(status="partial")], "ai_only"),
        ([ai_report(status="entered-in-error")], "unread"),
        ([ai_report(status="cancelled")], "unread"),
        ([ai_report(conclusion=f"{UNREAD}. It shows no chest.")], "ai_failed"),
        ([ai_report(conclusion=f"{UNREAD} of Covid-19. It shows no chest.")], "ai_failed"),
        ([ai_report(conclusion=f"{UNREAD}. It shows no chest."), ai_report()], "ai_only"),
        ([ai_report(), ai_report(conclusion=UNREAD)], "ai_only"),
        ([report(status="registered"), ai_report()], "ai_only"),
    ],
)
def test_study_that_no_clinician_has_reported_on_is_named(
    reports: list[dict[str, Any]], state: str
) -> None:
    assert states([study()], *reports) == {"study-1": state}


@pytest.mark.parametrize(
    "reports",
    [
        [report()],
        [report(status="preliminary")],
        [report(status="amended")],
        [report(status="unknown")],
        [ai_report(status="final")],
        [ai_report(status="corrected")],
        [ai_report(), report()],
        [report(), report(status="entered-in-error")],
        [report(status=None)],
    ],
)
def test_study_that_somebody_has_reported_on_is_not_named(reports: list[dict[str, Any]]) -> None:
    assert states([study()], *reports) == {}


def test_report_without_its_study_is_told_by_order_or_accession_number() -> None:
    order = [{"reference": "ServiceRequest/order-1"}]
    absolute = [{"reference": f"{BASE}/ServiceRequest/order-1"}]
    for loose in (
        report(imagingStudy=None, identifier=[NUMBER]),
        report(imagingStudy=None, basedOn=absolute),
    ):
        assert states([study(basedOn=order), study(2)], loose) == {"study-2": "unread"}
    ours = ai_report(imagingStudy=None)
    assert states([study(), study(2)], ours) == {"study-2": "unread", "study-1": "ai_only"}


@pytest.mark.parametrize(
    "named",
    [
        {"identifier": DICOM | {"value": "urn:oid:2.25.1"}},
        {"identifier": DICOM | {"value": "2.25.1"}},
        {"identifier": NUMBER},
        {"reference": "#contained", "identifier": NUMBER},
        {"reference": f"{BASE}/ImagingStudy/study-1/_history/2"},
    ],
)
def test_report_may_name_its_study_in_any_way(named: dict[str, Any]) -> None:
    assert states([study(), study(2)], report(imagingStudy=[named])) == {"study-2": "unread"}
    both = [named, {"reference": "ImagingStudy/study-2"}]
    assert states([study(), study(2)], report(imagingStudy=both)) == {}


@pytest.mark.parametrize(
    "loose",
    [
        {"imagingStudy": None},
        {"imagingStudy": None, "category": [RADIOLOGY]},
        {"imagingStudy": None, "category": [LABORATORY, RADIOLOGY]},
        {"imagingStudy": None, "category": [NOTE, US_RADIOLOGY]},
        {"imagingStudy": None, "category": [NOTE, RADIOLOGY]},
        {"imagingStudy": None, "category": [OF_THE_HOUSE]},
        {"imagingStudy": None, "category": [{"text": "LAB"}]},
        {"imagingStudy": None, "identifier": [NUMBER | {"system": "https://other.example"}]},
        {"imagingStudy": None, "identifier": [{"system": STUDY_KEY}]},
        {"imagingStudy": None, "basedOn": [{"reference": "ServiceRequest/unknown"}]},
        {"imagingStudy": [{"reference": "#contained"}]},
        {"imagingStudy": [{"reference": "ImagingStudy/unknown"}]},
        {"imagingStudy": [{"reference": "https://inside/fhir/ImagingStudy/study-1"}]},
        {"imagingStudy": [{"identifier": {"value": "urn:oid:2.25.9"}}]},
        {"imagingStudy": [{"identifier": DICOM}]},
        {"imagingStudy": [{}]},
    ],
)
def test_report_of_which_nobody_can_tell_the_study_silences_all(loose: dict[str, Any]) -> None:
    assert states([study(1), study(2)], report(**loose)) == {}
    assert states([study(1), study(2)], report(status="preliminary", **loose)) == {}
    # One that says nothing yet, or nothing any more, does not.
    assert states([study(1), study(2)], report(status="registered", **loose))
    assert states([study(1), study(2)], report(status="entered-in-error", **loose))


def test_reference_that_cannot_be_followed_leaves_order_and_number_to_tell_of_one_study() -> None:
    hidden = report(imagingStudy=[{"reference": "#contained"}], identifier=[NUMBER])
    assert states([study(1)], hidden) == {}
    # Of which other it is besides, nobody can tell.
    assert states([study(1), study(2)], hidden) == {}


def test_two_entries_for_one_study_share_its_report() -> None:
    again = study(1, id="study-1-again")
    assert states([study(1), again, study(2)], report(1)) == {"study-2": "unread"}


def test_report_that_names_its_study_is_of_no_other_of_the_same_order() -> None:
    order = [{"reference": "ServiceRequest/order-1"}]
    both = [study(1, basedOn=order), study(2, basedOn=order)]
    assert states(both, report(1, basedOn=order)) == {"study-2": "unread"}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"identifier": None},
        {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.<script>"}]},
        {"series": None},
        {"id": "../Patient/1"},
        {"id": None},
    ],
)
def test_study_that_cannot_be_opened_is_not_named(changes: dict[str, Any]) -> None:
    assert states([study(**changes)]) == {}


def test_other_kinds_of_images_are_not_named() -> None:
    assert states([study(modality="MG"), study(2, modality="US")]) == {}
    chart = Chart((study(modality="CT"),), ())
    assert chest_studies(chart, BASE, ["CR", "DX"]) == []
    assert chest_studies(chart, BASE, []) == []


def with_site(**site: str) -> dict[str, Any]:
    """A study whose series has this body site."""
    (series,) = study()["series"]
    return study(series=[series | {"bodySite": site}])


def without_site(**changes: Any) -> dict[str, Any]:
    """A study whose series has no body site."""
    (series,) = study()["series"]
    return study(series=[{k: v for k, v in series.items() if k != "bodySite"}], **changes)


def test_only_what_the_record_calls_a_chest_is_named() -> None:
    chests = (
        with_site(code="39607008"),
        with_site(display="Chest"),
        with_site(code="CHEST"),
        without_site(description="Röntgen-Thorax in 2 Ebenen"),
        without_site(description="XR CHEST PA"),
        without_site(procedureCode=[{"text": "Portable CXR"}]),
        without_site(procedureCode=[{"coding": [{"code": "36643-5"}]}]),
    )
    others = (
        without_site(),
        with_site(code="66019005", display="Extremity"),
        without_site(description="XR thoracic spine"),
        without_site(description="Manchester protocol, knee"),
    )
    assert all(states([one]) for one in chests)
    assert not any(states([one]) for one in others)


def order(number: int) -> list[dict[str, str]]:
    """What study `number` and its reports are based on."""
    return [{"reference": f"ServiceRequest/{number}"}]


some_report = st.builds(
    lambda make, number, status, loose: make(
        number, status, **({"imagingStudy": None, "basedOn": order(number)} if loose else {})
    ),
    st.sampled_from([report, ai_report]),
    st.integers(1, 4),
    st.sampled_from(["registered", "partial", "preliminary", "final", "amended", "cancelled"]),
    st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(reports=st.lists(some_report, max_size=6), number=st.integers(1, 4))
def test_a_signed_report_silences_its_study_and_touches_no_other(
    reports: list[dict[str, Any]], number: int
) -> None:
    studies = [study(n, basedOn=order(n)) for n in range(1, 5)]
    before = states(studies, *reports)
    after = states(studies, *reports, report(number, "final"))
    assert after == {name: state for name, state in before.items() if name != f"study-{number}"}
    assert states(studies, *reversed(reports)) == before
