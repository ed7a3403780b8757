"""Who may ask DICOMweb for what."""

from __future__ import annotations

import http.client

import pytest
import requests

from sandbox.server import RunningSandbox
from tests.sandbox_imaging.conftest import CHEST, ROSA_CHEST, ImagingClient, imaging_client

PATHS = (
    f"/studies/{ROSA_CHEST}",
    f"/studies/{ROSA_CHEST}/metadata",
    f"/studies/{ROSA_CHEST}/series",
    f"/studies/{ROSA_CHEST}/instances",
    f"/studies/{ROSA_CHEST}/series/1.2.3",
    f"/studies/{ROSA_CHEST}/series/1.2.3/instances/1.2.3/rendered",
    f"/studies/{ROSA_CHEST}/series/1.2.3/instances/1.2.3/frames/1",
    f"/studies/{ROSA_CHEST}/series/1.2.3/instances/1.2.3/bulkdata/7FE00010",
)


@pytest.mark.parametrize("path", ["/studies", "/series", "/instances", *PATHS])
def test_without_a_token_nothing_is_answered(hospital: RunningSandbox, path: str) -> None:
    answer = requests.get(f"{hospital.dicomweb_base}{path}", timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_patients_study_is_refused(clark: ImagingClient, path: str) -> None:
    answer = clark.get(path)
    assert answer.status_code == 403
    assert ROSA_CHEST not in answer.text


def test_a_study_that_nobody_has_is_refused_like_a_foreign_one(clark: ImagingClient) -> None:
    unknown, foreign = clark.get("/studies/1.2.3"), clark.get(f"/studies/{ROSA_CHEST}")
    assert (unknown.status_code, unknown.text) == (foreign.status_code, foreign.text)


def test_scopes_must_allow_imaging_studies(hospital: RunningSandbox) -> None:
    narrow = imaging_client(hospital, scope="launch patient/Patient.r")
    assert narrow.get(f"/studies/{CHEST}").status_code == 403
    assert narrow.get("/studies").status_code == 403


def test_reading_searching_and_storing_are_allowed_one_by_one(hospital: RunningSandbox) -> None:
    reader = imaging_client(hospital, scope="launch patient/ImagingStudy.r")
    assert reader.get(f"/studies/{CHEST}/metadata").status_code == 200
    assert reader.get("/studies").status_code == 403
    assert reader.post("/studies", b"", "multipart/related").status_code == 403


def test_the_record_decides_at_once_when_a_study_changes_hands(hospital: RunningSandbox) -> None:
    clark, rosa = imaging_client(hospital), imaging_client(hospital, "mayer-rosa")
    fhir = hospital.app.extensions["sandbox"].fhir
    before = fhir.read("ImagingStudy", "clark-dan-chest-xray")
    try:
        fhir.update(before | {"subject": {"reference": "Patient/mayer-rosa"}})
        assert clark.get(f"/studies/{CHEST}/metadata").status_code == 403
        # The file still says H-1001: a reader must be able to meet that and refuse it himself.
        (metadata,) = rosa.get(f"/studies/{CHEST}/metadata").json()
        assert metadata["00100020"]["Value"] == ["H-1001"]
    finally:
        fhir.update(before)


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies/..%2f..%2f..%2fetc%2fpasswd",
        "/dicomweb/studies/../../signing_key.json",
        "/dicomweb/studies/%2e%2e/metadata",
        f"/dicomweb/studies/{CHEST}/series/..%5c..%5c",
        f"/dicomweb/studies/{CHEST}/series/1.2/instances/%00/rendered",
        f"/dicomweb/studies/{CHEST}/series/1.2/instances/1.2/bulkdata/..%2f..%2fsigning_key.json",
        "/dicomweb/studies/" + "1." * 40 + "1",
        "/viewer/static/..%2f..%2f__init__.py",
        "/viewer/pictures/..%2f..%2f/x/y.jpg",
    ],
)
def test_a_path_trick_reaches_no_file(
    hospital: RunningSandbox, all_seeing: ImagingClient, path: str
) -> None:
    # http.client sends the path as it is; requests would tidy it up first.
    connection = http.client.HTTPConnection(hospital.settings.host, hospital.settings.port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {all_seeing.token}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in (400, 401, 404)
    assert b"root:" not in body
    assert b'"kty"' not in body
