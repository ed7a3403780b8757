"""Sample values of a reading: a study, a model's facts, predictions and a report context."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from inference.model_facts import (
    Coding,
    Measured,
    ModelClass,
    ModelFacts,
    NetworkFile,
    OperatingPoint,
)
from inference.prediction import ModelIdentity, Prediction, Reason
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study, read_study_resource
from plugin.reporting.report import ReportContext, reading_key

FHIR_BASE = "https://ehr.example/fhir"
MRN = "https://hospital.example/mrn"
STUDY_UID = "1.2.826.0.1.3680043.10.1.1"
SERIES_UID = f"{STUDY_UID}.1"
IMAGE_UID = f"{STUDY_UID}.1.1"

FACTS = ModelFacts(
    name="toy",
    title="Toy chest model",
    version="1.0.0",
    modalities=("CR", "DX"),
    body_parts=("CHEST",),
    views=("PA", "AP"),
    input_shape=(8, 8, 1),
    classes=(
        ModelClass("covid", "Covid-19", Coding("http://snomed.info/sct", "840539006", "Covid-19")),
        ModelClass("normal", "No finding", Coding("https://wetread.example/x", "normal", "Normal")),
    ),
    target="covid",
    operating_points=(OperatingPoint("balanced", 0.5, Measured(0.8, 0.7, 0.9)),),
    networks={"classifier": NetworkFile("toy.onnx", "0" * 64)},
    prepare_version="1",
    heat_map_range=(0.0, 1.0),
    minimum_age_years=16,
    minimum_side_pixels=100,
    limits=("Trained on few images.",),
    licence="Apache-2.0",
    weights_licence="research",
    paper="none",
)
IDENTITY = ModelIdentity("toy", "Toy chest model", "1.0.0", "ab" * 32, "1", "onnx")
READ = Prediction(
    "ok",
    IDENTITY,
    probability=0.8731,
    positive=True,
    classes={"covid": 0.8731, "normal": 0.1269},
    interval=(0.7, 0.95),
    cautions=(Reason("view_unknown", "The view is not stated; it was taken as frontal."),),
)
UNREAD = Prediction(
    "cannot_read", IDENTITY, reasons=(Reason("lateral", "A lateral view cannot be read."),)
)


def imaging_study(**changes: Any) -> dict[str, Any]:
    """An ImagingStudy with one image and a contained Endpoint."""
    study: dict[str, Any] = {
        "resourceType": "ImagingStudy",
        "id": "study-1",
        "meta": {"versionId": "1", "lastUpdated": "2020-03-01T10:00:00Z"},
        "contained": [endpoint("pacs", "https://pacs.example/dicomweb")],
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY_UID}"},
            {
                "type": {"coding": [{"code": "ACSN"}]},
                "system": "https://h.example/a",
                "value": "A1",
            },
        ],
        "status": "available",
        "subject": {"reference": "Patient/clark-dan"},
        "encounter": {"reference": "Encounter/e1"},
        "basedOn": [{"reference": "ServiceRequest/s1"}, {"reference": "Task/t1"}],
        "started": "2020-03-01",
        "endpoint": [{"reference": "#pacs"}],
        "description": "XR chest PA",
        "numberOfInstances": 1,
        "series": [
            {
                "uid": SERIES_UID,
                "modality": {"code": "CR"},
                "numberOfInstances": 1,
                "instance": [{"uid": IMAGE_UID}],
            }
        ],
    }
    return study | changes


def endpoint(identity: str, address: str, kind: str = "dicom-wado-rs") -> dict[str, Any]:
    """An Endpoint resource."""
    return {
        "resourceType": "Endpoint",
        "id": identity,
        "status": "active",
        "connectionType": {"code": kind},
        "payloadType": [{"text": "DICOM"}],
        "address": address,
    }


def archive_rules() -> ArchiveRules:
    """One registered archive besides the EHR itself."""
    return ArchiveRules(FHIR_BASE, ("https://pacs.example",))


def study(**changes: Any) -> Study:
    """The sample study, read."""
    return read_study_resource(imaging_study(**changes), {}, archive_rules(), frozenset({"CR"}))


def context(**changes: Any) -> ReportContext:
    """A report context for the sample study."""
    values: dict[str, Any] = {
        "key": reading_key(FHIR_BASE, "clark-dan", STUDY_UID, [IMAGE_UID], IDENTITY),
        "patient": "clark-dan",
        "patient_line": "CLARK, Dan, H-1001",
        "birth_date": "1930-10-19",
        "study": study(),
        "views": 1,
        "acquired": None,
        "issued": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "status": "preliminary",
        "ai_security_label": False,
        "launched_by": "Practitioner/p1",
        "launch_encounter": "e9",
        "model": FACTS,
        "model_card": "https://wetread.example/models/toy/card",
        "unverifiable": False,
    }
    return ReportContext(**(values | changes))
