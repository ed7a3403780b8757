"""QIDO-RS (PS3.18 section 10.6) over a real socket."""

from __future__ import annotations

import pytest

from tests.sandbox_imaging.conftest import CHEST, ROSA_CHEST, STUDIES, ImagingClient


def uids(found: list[dict]) -> set[str]:
    return {study["0020000D"]["Value"][0] for study in found}


def test_a_patients_token_finds_that_patients_studies_only(
    clark: ImagingClient, rosa: ImagingClient
) -> None:
    assert CHEST in uids(clark.dicomweb.search_for_studies())
    found = uids(rosa.dicomweb.search_for_studies())
    assert {STUDIES[f"mayer-rosa-{name}"] for name in ("chest-xray", "leg-xray", "ct")} <= found
    assert CHEST not in found


def test_a_user_level_token_finds_every_patients_studies(all_seeing: ImagingClient) -> None:
    assert set(STUDIES.values()) <= uids(all_seeing.dicomweb.search_for_studies())


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("StudyInstanceUID", ROSA_CHEST, 1),
        ("StudyInstanceUID", f"{ROSA_CHEST},{STUDIES['mayer-rosa-ct']}", 2),
        ("StudyInstanceUID", f"{ROSA_CHEST}\\1.2.3", 1),
        ("0020000D", ROSA_CHEST, 1),
        ("AccessionNumber", "A-2002", 1),
        ("AccessionNumber", "A-200?", 3),
        ("AccessionNumber", "A-2", 0),
        ("StudyDate", "20260216", 1),
        ("StudyDate", "20260216-20260217", 2),
        ("StudyDate", "-20251231", 1),
        ("StudyDate", "20260217-", 1),
        ("StudyTime", "1430", 1),
        ("PatientName", "mayer*", 3),
        ("PatientName", "MAYER^Rosa", 3),
        ("PatientName", "Clark*", 0),
        ("PatientID", "H-1002", 3),
        ("IssuerOfPatientID", "HOSPITAL", 3),
        ("ModalitiesInStudy", "CT", 1),
        ("ModalitiesInStudy", "CT,CR", 3),
        ("StudyDescription", "", 3),
    ],
)
def test_a_matching_key_narrows_the_search(
    rosa: ImagingClient, key: str, value: str, found: int
) -> None:
    answer = rosa.get("/studies", params={key: value, "PatientID": "H-1002"} | {key: value})
    assert answer.status_code == (200 if found else 204), answer.text
    assert len(answer.json() if found else []) == found


def test_limit_and_offset_page_through_a_stable_order(rosa: ImagingClient) -> None:
    everything = rosa.get("/studies").json()
    pages = [rosa.get("/studies", params={"limit": 1, "offset": n}).json()[0] for n in range(3)]
    assert pages == everything[:3]


def test_includefield_adds_an_attribute_of_a_lower_level(clark: ImagingClient) -> None:
    plain = clark.get(f"/studies?StudyInstanceUID={CHEST}").json()[0]
    more = clark.get(f"/studies?StudyInstanceUID={CHEST}&includefield=ViewPosition").json()[0]
    everything = clark.get(f"/studies?StudyInstanceUID={CHEST}&includefield=all").json()[0]
    assert "00185101" not in plain
    assert more["00185101"] == {"vr": "CS", "Value": ["PA"]}
    assert everything["00280010"]["Value"] == [1955]


def test_series_and_instances_carry_their_numbers_and_addresses(clark: ImagingClient) -> None:
    (series,) = clark.get(f"/studies/{CHEST}/series").json()
    assert series["00080060"]["Value"] == ["CR"]
    assert series["00201209"]["Value"] == [1]
    series_uid = series["0020000E"]["Value"][0]
    assert series["00081190"]["Value"] == [f"{clark.base}/studies/{CHEST}/series/{series_uid}"]
    (instance,) = clark.get(f"/studies/{CHEST}/series/{series_uid}/instances").json()
    assert instance["00280011"]["Value"] == [1841]
    assert clark.get(f"/studies/{CHEST}/instances").json()[0]["00080018"] == instance["00080018"]


def test_all_series_and_all_instances_stay_within_the_patient(clark: ImagingClient) -> None:
    for level in ("series", "instances"):
        found = uids(clark.get(f"/{level}").json())
        assert CHEST in found
        assert not found & {uid for name, uid in STUDIES.items() if not name.startswith("clark")}


@pytest.mark.parametrize(
    "query",
    ["NoSuchThing=1", "limit=-1", "limit=x", "offset=1e9", "ReferencedSeriesSequence.Modality=CR"],
)
def test_a_query_that_is_not_understood_is_a_400(clark: ImagingClient, query: str) -> None:
    assert clark.get(f"/studies?{query}").status_code == 400


def test_fuzzy_matching_is_answered_with_a_warning(clark: ImagingClient) -> None:
    answer = clark.get("/studies?fuzzymatching=true")
    assert answer.status_code == 200
    assert answer.headers["Warning"].startswith("299 ")


def test_a_search_that_must_be_xml_is_a_406(clark: ImagingClient) -> None:
    xml = 'multipart/related; type="application/dicom+xml"'
    assert clark.get("/studies", accept=xml).status_code == 406
