"""DICOMweb routes: who asks is checked here, what is answered is the archive's."""

from __future__ import annotations

import json
import logging
from typing import cast

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState

from sandbox.access import Reach, require_access
from sandbox.dicomweb.accept import choose_json
from sandbox.dicomweb.archive import Json
from sandbox.dicomweb.errors import BadQuery, DicomwebError
from sandbox.dicomweb.imaging import current, open_imaging
from sandbox.dicomweb.multipart import boundary_of
from sandbox.dicomweb.receiving import admission, spool_folder, spool_parts
from sandbox.dicomweb.service import DICOM_JSON, SearchRequest, Target
from sandbox.dicomweb.storing import store_answer
from sandbox.errors import FhirProblem

log = logging.getLogger(__name__)
blueprint = Blueprint("dicomweb", __name__, url_prefix="/dicomweb")
_STUDY = "/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<sop>"


@blueprint.record_once
def _open(state: BlueprintSetupState) -> None:
    from sandbox.images.seeding import seed

    app = cast("Flask", state.app)
    seed(app, open_imaging(app))


@blueprint.errorhandler(DicomwebError)
def _explain(error: DicomwebError) -> Response:
    log.info("DICOMweb answer %d: %s", error.status, error.sentence)
    return Response(
        json.dumps({"error": error.sentence}), error.status, mimetype="application/json"
    )


@blueprint.errorhandler(FhirProblem)
def _refuse(error: FhirProblem) -> Response:
    body = json.dumps({"error": error.text})
    return Response(body, error.status, dict(error.headers), mimetype="application/json")


def _reach(permission: str) -> Reach:
    reach = require_access().reach("ImagingStudy", permission)
    if not reach:
        raise FhirProblem(403, "forbidden", "The scopes must allow ImagingStudy; they do not")
    return reach


def _admitted(
    permission: str, study: str, series: str | None = None, sop: str | None = None
) -> Target:
    reach = _reach(permission)
    target = Target(study, series, sop)
    # The same answer for a foreign and an unknown study: nobody learns which studies exist.
    if not reach.everything and not reach.admits(current().record.owner_of_study(study)):
        raise FhirProblem(403, "forbidden", "The study must be one of the launch's patient")
    return target


def _accept() -> str:
    # PS3.18 section 8.3.3.1: the query parameter wins over the header.
    return request.args.get("accept") or request.headers.get("Accept", "")


def _json(answer: Json | list[Json], status: int = 200) -> Response:
    return Response(json.dumps(answer), status, content_type=DICOM_JSON)


def _search(level: str, study: str | None = None, series: str | None = None) -> Response:
    choose_json(_accept())
    if study is not None:
        _admitted("s", study, series)
    reach = _reach("s")
    record = current().record
    allowed: frozenset[str] | None = None
    if not reach.everything:
        allowed = frozenset().union(*(record.studies_of_patient(p) for p in reach.patients))
    arguments = tuple(request.args.items(multi=True))
    wanted = SearchRequest(level, arguments, allowed, study, series)
    found, warnings = current().archive.search(wanted, current().base)
    answer = _json(found) if found else Response(status=204)
    for sentence in warnings:
        answer.headers.add("Warning", f'299 sandbox "{sentence}"')
    return answer


@blueprint.get("/studies")
def search_studies() -> Response:
    """QIDO-RS, all studies."""
    return _search("study")


@blueprint.get("/series")
def search_all_series() -> Response:
    """QIDO-RS, all series."""
    return _search("series")


@blueprint.get("/instances")
def search_all_instances() -> Response:
    """QIDO-RS, all instances."""
    return _search("instance")


@blueprint.get(f"{_STUDY}/series")
def search_series(study: str) -> Response:
    """QIDO-RS, a study's series."""
    return _search("series", study)


@blueprint.get(f"{_STUDY}/instances")
@blueprint.get(f"{_SERIES}/instances")
def search_instances(study: str, series: str | None = None) -> Response:
    """QIDO-RS, a study's or a series' instances."""
    return _search("instance", study, series)


@blueprint.get(_STUDY)
@blueprint.get(_SERIES)
@blueprint.get(_INSTANCE)
def retrieve(study: str, series: str | None = None, sop: str | None = None) -> Response:
    """WADO-RS, instances of a study, a series, or one."""
    return current().archive.retrieve(_admitted("r", study, series, sop), _accept())


@blueprint.get(f"{_STUDY}/metadata")
@blueprint.get(f"{_SERIES}/metadata")
@blueprint.get(f"{_INSTANCE}/metadata")
def metadata(study: str, series: str | None = None, sop: str | None = None) -> Response:
    """WADO-RS, metadata of a study, a series, or one instance."""
    choose_json(_accept())
    target = _admitted("r", study, series, sop)
    return _json(current().archive.metadata(target, current().base))


@blueprint.get(f"{_INSTANCE}/frames/<numbers>")
def frames(study: str, series: str, sop: str, numbers: str) -> Response:
    """WADO-RS, frames of one instance."""
    target = _admitted("r", study, series, sop)
    wanted = numbers.split(",")
    if not all(n.isascii() and n.isdigit() and len(n) < 7 for n in wanted):
        raise BadQuery("Frame numbers must be numbers from 1 up, separated by commas")
    return current().archive.frames(target, [int(n) for n in wanted], _accept())


@blueprint.get(f"{_INSTANCE}/<any(bulk, bulkdata):word>/<path:place>")
def bulk_data(study: str, series: str, sop: str, word: str, place: str) -> Response:
    """WADO-RS, one large value: ``bulkdata`` here, ``bulk`` where Orthanc stands behind."""
    target = _admitted("r", study, series, sop)
    if not all(part.isascii() and part.isalnum() for part in place.split("/")):
        raise BadQuery("A bulk data address must end with tags and numbers")
    return current().archive.bulk_data(target, f"{word}/{place}", _accept())


@blueprint.get(f"{_INSTANCE}/rendered")
def rendered(study: str, series: str, sop: str) -> Response:
    """WADO-RS, a picture of one instance."""
    return current().archive.rendered(_admitted("r", study, series, sop))


@blueprint.post("/studies")
@blueprint.post(_STUDY)
def store(study: str | None = None) -> Response:
    """STOW-RS."""
    reach = _reach("c")
    choose_json(_accept())
    if study is not None:
        Target(study)
    patient = None if reach.everything else next(iter(reach.patients))
    boundary = boundary_of(request.content_type or "")
    imaging = current()
    with spool_folder(imaging.spool) as folder:
        parts = spool_parts(request.stream, boundary, folder)
        if not parts:
            raise BadQuery("A store request must hold at least one instance; it holds none")
        admit = admission(imaging.record, patient=patient, study_uid=study)
        outcomes = imaging.store(parts, admit)
    answer, status = store_answer(outcomes, imaging.base)
    return _json(answer, status)
