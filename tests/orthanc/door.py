"""The way of the plugin's fetching to an Orthanc that knows passwords and no tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from requests.auth import _basic_auth_str

from plugin.imaging.endpoints import ArchiveRules
from plugin.imaging.imaging_study import Study, read_study_resource
from smart_launch.answer import StreamedAnswer
from smart_launch.http import Http, HttpLimits
from tests.orthanc.server import Orthanc
from tests.plugin.reading.samples import endpoint, imaging_study

FHIR = "https://ehr.example/fhir"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


class PasswordHttp(Http):
    """Puts the account in place of the token, as a hospital's gateway does."""

    def __init__(self, orthanc: Orthanc, limits: HttpLimits | None = None) -> None:
        super().__init__(limits)
        self._account = _basic_auth_str(orthanc.user, orthanc.password)

    @contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, most_bytes: int
    ) -> Iterator[StreamedAnswer]:
        named = {**(headers or {}), "Authorization": self._account}
        with super().stream(url, headers=named, most_bytes=most_bytes) as answer:
            yield answer


def record_of(images: Iterable[Dataset], *, listed: bool = True) -> dict[str, Any]:
    """The ImagingStudy of images, as a radiology system would register it."""
    series: dict[str, dict[str, Any]] = {}
    for one in images:
        uid, modality = str(one.SeriesInstanceUID), {"system": DCM, "code": str(one.Modality)}
        entry = series.setdefault(uid, {"uid": uid, "modality": modality, "instance": []})
        kind = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{one.SOPClassUID}"}
        entry["instance"].append({"uid": str(one.SOPInstanceUID), "sopClass": kind})
        study = str(one.StudyInstanceUID)
    for entry in series.values():
        entry["numberOfInstances"] = len(entry["instance"])
        if not listed:
            del entry["instance"]
    return imaging_study(
        identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}],
        series=list(series.values()),
        numberOfInstances=sum(entry["numberOfInstances"] for entry in series.values()),
    )


def study_at(base: str, images: Sequence[Dataset], *, listed: bool = True) -> Study:
    """The study as the plugin reads it, with an Endpoint at this address."""
    resource = record_of(images, listed=listed) | {"contained": [endpoint("pacs", base)]}
    kinds = frozenset(str(one.Modality) for one in images)
    return read_study_resource(resource, {}, ArchiveRules(FHIR, (base.rpartition("/")[0],)), kinds)
