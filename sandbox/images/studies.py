"""The ImagingStudy of a study (FHIR R4), made from what the archive holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from pydicom.dataset import Dataset

from sandbox.dicomweb.archive import InstanceSummary, Json
from sandbox.dicomweb.record import study_identifier

ENDPOINT = "Endpoint/hospital-dicomweb"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_SNOMED = "http://snomed.info/sct"
# DICOM PS3.16 annex L; the ones that the demo pictures have.
_BODY_SITES = {
    "CHEST": ("51185008", "Chest"),
    "EXTREMITY": ("66019005", "Extremity"),
    "ABDOMEN": ("818983003", "Abdomen"),
    "HEAD": ("69536005", "Head"),
    "SHOULDER": ("16982005", "Shoulder"),
}


def dicomweb_endpoint(address: str) -> Json:
    """The Endpoint under which a DICOMweb service is found."""
    system = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
    return {
        "resourceType": "Endpoint",
        "id": ENDPOINT.partition("/")[2],
        "status": "active",
        "connectionType": {"system": system, "code": "dicom-wado-rs"},
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": address,
    }


def imaging_study(
    resource_id: str, patient: str, instances: Sequence[InstanceSummary], header: Dataset
) -> Json:
    """Build an ImagingStudy.

    Parameters
    ----------
    resource_id, patient : str
        Ids of the ImagingStudy and the Patient.
    instances : sequence of InstanceSummary
        All of the study, in order.
    header : pydicom.dataset.Dataset
        One instance's data set: date, accession number and description.
    """
    series = [_series(list(group)) for _, group in groupby(instances, key=lambda i: i.series_uid)]
    study: Json = {
        "resourceType": "ImagingStudy",
        "id": resource_id,
        "identifier": [study_identifier(str(header.StudyInstanceUID)), *_accession(header)],
        "status": "available",
        "modality": [_modality(m) for m in sorted({i.modality for i in instances if i.modality})],
        "subject": {"reference": f"Patient/{patient}"},
        "started": started(header),
        "endpoint": [{"reference": ENDPOINT}],
        "numberOfSeries": len(series),
        "numberOfInstances": len(instances),
        "description": str(header.get("StudyDescription", "")),
        "series": series,
    }
    return {name: value for name, value in study.items() if value not in ("", None, [])}


def started(header: Dataset) -> str | None:
    """Study date as a FHIR dateTime; without the time where the time zone is unknown."""
    date, time = str(header.get("StudyDate") or ""), str(header.get("StudyTime") or "")[:6]
    offset = str(header.get("TimezoneOffsetFromUTC") or "")
    try:
        if time and offset:
            moment = datetime.strptime(date + time + offset, "%Y%m%d%H%M%S%z")
            return moment.isoformat()
        return datetime.strptime(date, "%Y%m%d").date().isoformat()  # noqa: DTZ007  a date only
    except ValueError:
        return None


def _accession(header: Dataset) -> list[Json]:
    number = str(header.get("AccessionNumber") or "")
    if not number:
        return []
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
    return [
        {
            "type": {"coding": [kind]},
            "system": "https://hospital.example/accession",
            "value": number,
        }
    ]


def _modality(code: str) -> Json:
    return {"system": _DICOM, "code": code}


def _series(instances: Sequence[InstanceSummary]) -> Json:
    first = instances[0]
    series: Json = {
        "uid": first.series_uid,
        "number": first.series_number,
        "modality": _modality(first.modality or "OT"),
        "description": first.series_description,
        "numberOfInstances": len(instances),
        "bodySite": _body_site(first.body_part),
        "instance": [_instance(one) for one in instances],
    }
    return {name: value for name, value in series.items() if value not in ("", None)}


def _body_site(body_part: str) -> Json | None:
    if not body_part:
        return None
    code, display = _BODY_SITES.get(body_part, ("", body_part.capitalize()))
    return {"system": _SNOMED, "code": code, "display": display} if code else {"display": display}


def _instance(one: InstanceSummary) -> Json:
    instance: Json = {
        "uid": one.sop_uid,
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{one.sop_class_uid}"},
        "number": one.instance_number,
    }
    return {name: value for name, value in instance.items() if value is not None}
