"""One radiograph all the way: C-STORE to Orthanc, registered in HAPI, read by a click, reported."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import psutil
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from plugin.demo.drive import Clinician
from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, claimed_port
from plugin.demo.processes import RunningDemo, running_demo
from tests.hapi.chart import Chart, Resource
from tests.hapi.server import Hapi
from tests.orthanc.door import record_of
from tests.orthanc.modality import scan, send
from tests.orthanc.server import Orthanc
from tests.sandbox_imaging.conftest import needs_pydicom_data

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MRN = "https://hospital.example/mrn"


@pytest.fixture(scope="module")
def demo(
    hapi: Hapi, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDemo]:
    needs_pydicom_data()
    with claimed_port(HOSPITAL_HOST) as hospital_port, claimed_port(PLUGIN_HOST) as plugin_port:
        choices = DemoChoices(
            hospital_port, plugin_port, fhir=hapi.url, dicomweb=orthanc.dicomweb_url
        )
        with running_demo(choices, tmp_path_factory.mktemp("demo")) as running:
            yield running


def registered(chart: Chart, image: Dataset) -> tuple[Resource, Resource]:
    """Put patient and study into the record, as an integration engine does from HL7 messages."""
    number = str(image.PatientID)
    patient = {
        "resourceType": "Patient",
        "id": f"engine-{number}",
        "identifier": [{"system": MRN, "value": number}],
        "name": [{"family": "WALKER", "given": ["Ann"]}],
        "gender": "female",
        "birthDate": "1958-02-03",
    }
    study = record_of([image]) | {
        "id": f"engine-study-{number}",
        "subject": {"reference": f"Patient/{patient['id']}"},
        "endpoint": [{"reference": "Endpoint/hospital-dicomweb"}],
    }
    for name in ("contained", "encounter", "basedOn"):
        study.pop(name)
    return chart.put(patient), chart.put(study)


def test_what_the_scanner_sent_is_read_by_a_click_and_reported_in_the_chart(
    demo: RunningDemo, hapi: Hapi, orthanc: Orthanc
) -> None:
    (image,) = scan(
        1,
        "RG1_UNCR.dcm",
        PatientID=generate_uid().rpartition(".")[2][-12:],
        PatientName="WALKER^Ann",
        PatientBirthDate="19580203",
        PatientSex="F",
    )
    send(orthanc, [image])
    chart = Chart(hapi.url)
    patient, study = registered(chart, image)

    outcome = Clinician(demo.choices).read_once(patient["id"], study["id"])

    (report,) = chart.search("DiagnosticReport", subject=f"Patient/{patient['id']}")
    assert outcome.report == f"DiagnosticReport/{report['id']}"
    assert report["status"] == "preliminary"
    assert report["imagingStudy"] == [{"reference": f"ImagingStudy/{study['id']}"}]
    finding = chart.read(report["result"][0]["reference"])
    assert finding["valueQuantity"]["value"] == outcome.probability
    assert f"urn:oid:{image.StudyInstanceUID}" in str(report["identifier"])


def test_no_command_line_shows_the_archives_password(demo: RunningDemo, orthanc: Orthanc) -> None:
    hospital = psutil.Process(demo.hospital.pid)
    for process in (hospital, *hospital.children(recursive=True), psutil.Process(demo.plugin.pid)):
        shown = " ".join(process.cmdline())
        assert quote(orthanc.password, safe="") not in shown
        assert orthanc.password not in shown
