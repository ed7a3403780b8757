"""The FHIR examples: valid R4, consistent, and really used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

import fhir_examples
from sandbox.demo_records import SCENARIOS, demo_records, load_demo_records, read_scenario
from sandbox.fhir.sqlite import SqliteRecords
from sandbox.fhir.validation import check_resource
from sandbox.images.demo_studies import DEMO_STUDIES
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.sandbox.smart_client import SmartClient
from tests.sandbox.test_fhir_bundles import bundle, post, put

ROOT = Path(fhir_examples.__file__).parent
FILES = sorted(ROOT.glob("*/*.json"))
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "_")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_example_is_valid_r4(path: Path) -> None:
    resource = json.loads(path.read_text(encoding="utf-8"))
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    check_resource(resource)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_scenario_is_explained_and_used(folder: str) -> None:
    assert (ROOT / folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert f"`{folder}`" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert folder in (*SCENARIOS, "written_report")


def test_demo_records_refer_only_to_each_other(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.sqlite3", "http://h/fhir/r4")
    load_demo_records(records, "http://h")
    load_demo_records(records, "http://moved")
    address = records.read("Endpoint", "hospital-dicomweb")["address"]
    assert address == "http://moved/dicomweb"
    assert records.read("Patient", "clark-dan")["meta"]["versionId"] == "1"
    assert len(records.search("Patient", ()).matches) == 4
    records.close()


def test_first_demo_patient_is_the_one_of_the_tutorial() -> None:
    clark = next(record for record in demo_records() if record["id"] == "clark-dan")
    assert clark["name"][0] == {"use": "official", "family": "CLARK", "given": ["Dan"]}
    assert (clark["gender"], clark["birthDate"]) == ("male", "1930-10-19")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The studies of a hospital that has just opened, with its images."""
    settings = SandboxSettings(tmp_path_factory.mktemp("opened"), port=0)
    with RunningSandbox(settings) as server:
        yield server.app.extensions["sandbox"].fhir.search("ImagingStudy", ()).matches


@pytest.mark.integration
@pytest.mark.parametrize("study", DEMO_STUDIES, ids=lambda study: study.resource_id)
def test_examples_say_what_the_images_say(opened: list[dict[str, Any]], study: Any) -> None:
    found = next(record for record in opened if record["id"] == study.resource_id)
    written = next(record for record in demo_records() if record["id"] == study.resource_id)
    found.pop("meta")
    assert found == written


def test_written_report_is_taken_from_a_client_with_the_plugins_scopes(
    hospital: RunningSandbox,
) -> None:
    report, observation, provenance = read_scenario("written_report")
    fhir = SmartClient(hospital).fhir()
    done = fhir.send("POST", "", bundle(put(observation), put(report), post(provenance)))
    assert done.status_code == 200, done.text
    key = report["identifier"][0]
    found = fhir.ids(f"/DiagnosticReport?subject=Patient/clark-dan&identifier={key['value']}")
    assert found == [report["id"]]
