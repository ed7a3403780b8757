"""Sample values of a reading: a study, a model's facts, predictions and a report context."""

from __future__ import annotations

from dataclasses import replace
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
from inference.prediction import Aside, Extent, Measure, ModelIdentity, Prediction, Reason
from inference.prevalence import likelihood_ratio
from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study, read_study_resource
from plugin.reporting.report import ReportContext, reading_key
from plugin.reporting.site_prevalence import Prevalence

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

# A model with everything that an answer may say, its answers, and a hospital's own prevalence.
SITE = Prevalence(0.05, "ehr", "North Hospital")
FULL_FACTS = replace(
    FACTS,
    reference_prevalence=0.43,
    operating_points=(
        OperatingPoint("rule_out", 0.2, Measured(0.97, 0.93, 0.99), Measured(0.41, 0.35, 0.47)),
        OperatingPoint("balanced", 0.5, Measured(0.87, 0.81, 0.92), Measured(0.79, 0.74, 0.83)),
        OperatingPoint("rule_in", 0.9, Measured(0.52, 0.44, 0.6), Measured(0.98, 0.96, 0.99)),
    ),
    interval_method="Venn-Abers interval; it does not cover images of another hospital.",
    organ="lungs",
)
EXTENT = Extent(
    2,
    "moderate",
    (
        Measure("geographic_extent", "geographic extent", 3.14, 8, 1.2),
        Measure("opacity", "opacity", 2.4, 6, 0.9),
    ),
)
ASIDE = Aside(
    "bacterial_or_viral",
    "If this child has pneumonia",
    {"bacterial": 0.7, "viral": 0.3},
    (Reason("one_hospital", "Trained on children of one hospital."),),
)
FULL = replace(
    READ,
    likelihood_ratio=likelihood_ratio(0.8731, 0.43),
    outside_share=0.12,
    extent=EXTENT,
)
CHILD = replace(
    UNREAD, reasons=(Reason("under_minimum_age", "The patient is a child."),), aside=ASIDE
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
        "model_card": "https://wetread.example/models/toy",
        "unverifiable": False,
    }
    return ReportContext(**(values | changes))
