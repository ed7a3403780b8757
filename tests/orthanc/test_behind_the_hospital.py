"""Orthanc behind the demo hospital: what the user's token opens, from C-STORE to the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from plugin.demo.drive import Clinician
from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, claimed_port
from plugin.demo.processes import running_demo
from plugin.imaging.allowance import Allowance
from plugin.imaging.cache import ImageCache
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import read_study_resource
from plugin.imaging.pacs import Pacs
from plugin.imaging.pacs_errors import PacsError
from plugin.imaging.study_images import FetchedStudy, fetch_study
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from smart_launch.http import Http
from tests.orthanc.door import record_of
from tests.orthanc.modality import scan, send
from tests.orthanc.server import Orthanc
from tests.plugin.reading.samples import endpoint
from tests.sandbox_imaging.conftest import CLIENTS, imaging_client, needs_pydicom_data

pytestmark = pytest.mark.integration
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def hospital(
    orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    needs_pydicom_data()
    folder = tmp_path_factory.mktemp("hospital")
    settings = SandboxSettings(folder, CLIENTS, port=0, dicomweb_url=orthanc.dicomweb_url)
    with RunningSandbox(settings) as server:
        yield server


@pytest.fixture(scope="module")
def scanned(orthanc: Orthanc, hospital: RunningSandbox) -> list[Dataset]:
    """Dan's CT, sent by C-STORE and registered in his chart, as a radiology system does."""
    images = scan(20, series=2)
    send(orthanc, images)
    record = record_of(images) | {"id": "scanned", "subject": {"reference": "Patient/clark-dan"}}
    for name in ("contained", "endpoint", "encounter", "basedOn"):
        record.pop(name)
    hospital.app.extensions["sandbox"].fhir.update(record)
    return images


def fetch_with(
    token: str, hospital: RunningSandbox, images: list[Dataset], folder: Path
) -> FetchedStudy:
    resource = record_of(images) | {"contained": [endpoint("pacs", hospital.dicomweb_base)]}
    rules = ArchiveRules(f"{hospital.base_url}/fhir/r4", ())
    study = read_study_resource(resource, {}, rules, frozenset({"CT"}))
    http, cache = Http(), ImageCache(folder)
    allowance = Allowance(500, MEGABYTE, 500 * MEGABYTE)
    try:
        return fetch_study(
            study,
            lambda archive: Pacs(http, archive, lambda _: token),
            cache,
            cache.folder("launch", "study"),
            {"CT"},
            allowance,
        )
    finally:
        http.close()


def test_what_a_modality_sent_is_fetched_with_the_users_token(
    hospital: RunningSandbox, scanned: list[Dataset], tmp_path: Path
) -> None:
    fetched = fetch_with(imaging_client(hospital).token, hospital, scanned, tmp_path)
    names = [one.sop_instance_uid for one in fetched.facts]
    assert names == [str(one.SOPInstanceUID) for one in scanned]
    assert {one.patient_id for one in fetched.facts} == {"H-1001"}


def test_the_token_of_another_patients_chart_gets_none_of_it(
    hospital: RunningSandbox, scanned: list[Dataset], tmp_path: Path
) -> None:
    token = imaging_client(hospital, "mayer-rosa").token
    with pytest.raises(PacsError) as caught:
        fetch_with(token, hospital, scanned, tmp_path)
    assert caught.value.code == "archive_forbidden"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_reading_goes_from_click_to_report_with_images_from_orthanc(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    needs_pydicom_data()
    with claimed_port(HOSPITAL_HOST) as hospital_port, claimed_port(PLUGIN_HOST) as plugin_port:
        choices = DemoChoices(hospital_port, plugin_port, dicomweb=orthanc.dicomweb_url)
        with running_demo(choices, tmp_path / "demo"):
            clinician = Clinician(choices)
            plain = clinician.read_once("clark-dan")
            compressed = clinician.read_once("mayer-rosa", "mayer-rosa-chest-xray")
    # The same picture, stored without loss as JPEG 2000.
    assert plain.probability is not None
    assert compressed.probability == plain.probability
    assert min(one.timings_ms["fetch_images"] for one in (plain, compressed)) > 0
