"""Studies, their Endpoints and the archive behind them, without pixels.

What is read here is the newest open launch's own patient, with that user's token; only counts,
codes, systems and origins are said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from inference.registry import model_facts, model_names
from plugin.addresses import origin_of
from plugin.checks.reachability import explain
from plugin.checks.result import Result, Steps
from plugin.ehrs import Ehr
from plugin.imaging.endpoints import Archive, ArchiveRules, endpoint_references
from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import WHY_NOT, Study, readable_series
from plugin.imaging.studies import list_studies
from plugin.record import Record
from smart_launch.errors import SmartError, TransportError
from smart_launch.http import Http

DICOM_JSON = {"Accept": "application/dicom+json"}
# A search leaves out what it is not asked for: whose number, issued by whom, birth date, sex.
ASKED_FOR = ("00100020", "00100021", "00100030", "00100040", "0020000D")
ONE_OF_SERIES = (("limit", "1"), *(("includefield", tag) for tag in ASKED_FOR))
REMEDIES = {
    "no_endpoint": (
        "Let the EHR give ImagingStudy.endpoint, and the client read Endpoints (user/Endpoint.r)."
    ),
    "endpoint_kind": "Let the EHR name a DICOMweb (WADO-RS) Endpoint besides the others.",
    "no_study_uid": "Let the EHR give the Study Instance UID as an identifier of the ImagingStudy.",
}
# What an archive's status means for whoever sets it up.
STATUSES = {
    401: "Let the archive accept the EHR's access tokens.",
    403: "Let the archive allow this user, and Wetread's client, to read these images.",
    404: "Check the Endpoint's address: it must be the base before /studies.",
}


@dataclass(frozen=True)
class Sample:
    """One image's header in the archive's words: DICOM JSON without pixels (PS3.18 F)."""

    study: Study
    header: Mapping[str, Any]


def modalities() -> frozenset[str]:
    """Give the DICOM modalities that the installed models read."""
    return frozenset(kind for name in model_names() for kind in model_facts(name).modalities)


def check_studies(record: Record, ehr: Ehr, patient: str) -> Steps[Study | None]:
    """List the patient's studies as the page does; gives the newest that can be read."""
    subject, rules = f"EHR {ehr.id}", ArchiveRules(ehr.issuer, ehr.pacs_origins)
    try:
        studies = list_studies(record, patient, rules, modalities())
    except SmartError as error:
        text = f"its imaging studies cannot be listed: {error.sentence}"
        remedy = "Check the scope patient/ImagingStudy.rs and the EHR's search of ImagingStudy."
        yield Result("failure", subject, "studies", text, remedy)
        return None
    good = [study for study in studies if study.why_not is None]
    text = f"studies in the chart of the newest launch: {len(studies)}; can be read: {len(good)}"
    remedy = "" if good else "Open Wetread from the chart of a patient with a chest X-ray."
    yield Result("ok" if good else "warning", subject, "studies", text, remedy)
    counted = Counter(study.why_not for study in studies if study.why_not in REMEDIES)
    for why, number in sorted(counted.items()):
        text = f"studies that cannot be read: {number}. {WHY_NOT[why]}"
        yield Result("warning", subject, why, text, REMEDIES[why])
    refused = [study for study in studies if study.why_not == "endpoint_refused"]
    yield from check_refused_endpoints(record, subject, refused)
    return good[0] if good else None


def check_refused_endpoints(
    record: Record, subject: str, studies: Sequence[Study]
) -> Iterator[Result]:
    """Name the origins of Endpoints that are not registered."""
    origins = {one for study in studies for one in endpoint_origins(record, study)}
    for one in sorted(origins):
        yield Result(
            "failure", subject, "endpoint_refused",
            f"images lie at {one}, which is not registered",
            f'Add "{one}" to pacs_origins, if it is the hospital\'s archive.',
        )  # fmt: skip


def endpoint_origins(record: Record, study: Study) -> set[str]:
    """Give the origins of a study's Endpoints; their paths may be secrets."""
    contained = {f"#{one.get('id')}": one for one in study.resource.get("contained", ())}
    found = set()
    for reference in endpoint_references(study.resource):
        endpoint = contained.get(reference)
        identity = local_id(reference, "Endpoint", record.base_url)
        try:
            endpoint = endpoint or (record.read("Endpoint", identity) if identity else None)
        except SmartError:
            continue
        address = str((endpoint or {}).get("address", ""))
        if "://" in address:
            found.add(origin_of(address).rpartition("@")[2])
    return found


def check_archive(http: Http, record: Record, ehr: Ehr, study: Study) -> Steps[Sample | None]:
    """Ask the study's archive for the header of one image, with the launch's token."""
    subject, archive = f"EHR {ehr.id}", study.archive
    if archive is None:
        return None
    named = f"archive {origin_of(archive.url)}"
    try:
        header, status = fetch_header(http, record, archive, study)
    except TransportError as error:
        trouble = explain(archive.url, error, secret=True)
        yield Result("failure", subject, trouble.code, f"{named}: {trouble.text}", trouble.remedy)
        return None
    if not header:
        remedy = STATUSES.get(status, "Try the address with another DICOMweb client.")
        text = f"{named} gives no image header (HTTP status {status})"
        yield Result("failure", subject, "archive", text, remedy)
        return None
    yield Result("ok", subject, "archive", f"{named} gives the header of an image")
    return Sample(study, header)


def fetch_header(
    http: Http, record: Record, archive: Archive, study: Study
) -> tuple[Mapping[str, Any], int]:
    """Fetch one image's header; empty, with the status, where none came."""
    series = readable_series(study, modalities())[0]
    place = f"{archive.url}/studies/{quote(study.uid or '')}/series/{quote(series.uid)}"
    token = record.token() if archive.wants_token else None
    headers = DICOM_JSON | ({"Authorization": f"Bearer {token}"} if token else {})
    if series.instances:
        address = f"{place}/instances/{quote(series.instances[0])}/metadata"
        answer = http.send("GET", address, headers=headers)
    else:
        # QIDO-RS (PS3.18 10.6): the record does not say which images there are.
        answer = http.send("GET", f"{place}/instances", headers=headers, parameters=ONE_OF_SERIES)
    return _first_object(answer.body) if answer.status == 200 else {}, answer.status


def _first_object(body: bytes) -> Mapping[str, Any]:
    """Give the first data set of an answer in DICOM JSON; empty for anything else."""
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, dict) else {}
