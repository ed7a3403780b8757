"""Images that somebody brings: DICOM, PNG or JPEG into a patient's chart."""

from __future__ import annotations

import io
import re
from datetime import date

import pydicom
from flask import Response, jsonify, request
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from werkzeug.exceptions import RequestEntityTooLarge

from sandbox.dicomweb import imaging
from sandbox.dicomweb.errors import ArchiveUnavailable
from sandbox.errors import FhirProblem
from sandbox.images.errors import PictureRefused
from sandbox.images.filing import file_images
from sandbox.images.folder_import import filed_anew
from sandbox.images.identity import PatientIdentity, StudyIdentity, fingerprint, new_uid
from sandbox.images.limits import MOST_FILE_BYTES
from sandbox.images.patients import identity_of
from sandbox.images.wrapping import Statement, wrap
from sandbox.viewer.chart import read_or_404
from sandbox.viewer.door import blueprint

_VIEWS = frozenset({"", "PA", "AP", "LL"})
_BODY_PARTS = frozenset({"", "CHEST", "ABDOMEN", "EXTREMITY", "HEAD"})


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> tuple[Response, int]:
    limit = MOST_FILE_BYTES // (1024 * 1024)
    return _refusal(f"A file may have at most {limit} MiB."), 413


@blueprint.post("/viewer/patients/<patient>/images")
def add_image(patient: str) -> tuple[Response, int]:
    """Store one file in the chart: the instance in the archive, then its ImagingStudy."""
    request.max_content_length = MOST_FILE_BYTES
    identity_source = read_or_404("Patient", patient)
    file = request.files.get("file")
    if file is None:
        return _refusal("Choose a file first."), 400
    try:
        identity = identity_of(identity_source)
        dataset, note = _dataset(file.stream.read(), identity)
        digest = fingerprint(str(dataset.StudyInstanceUID).encode())[:24]
        study = file_images(imaging.current(), [dataset], identity, f"study-{digest}")
    except PictureRefused as refused:
        return _refusal(f"{refused.sentence}."), 422
    except (ArchiveUnavailable, FhirProblem):
        return _refusal("The hospital's archive did not take it. Try again later."), 502
    body = {"study": study["id"], "title": study.get("description") or "Picture", "note": note}
    return jsonify(body), 201


def _refusal(sentence: str) -> Response:
    return jsonify({"problem": {"title": "Not added", "text": sentence}})


def _dataset(data: bytes, patient: PatientIdentity) -> tuple[Dataset, str]:
    if not data:
        raise PictureRefused("The file must not be empty")
    try:
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    except InvalidDicomError:
        study = StudyIdentity(new_uid("upload", patient.patient, fingerprint(data)), date=_date())
        return wrap(data, patient, study, _statement()), ""
    except Exception as error:
        # pydicom raises whatever its parser trips over.
        raise PictureRefused("The DICOM file is damaged") from error
    return _from_dicom(data, header, patient)


def _from_dicom(data: bytes, header: Dataset, patient: PatientIdentity) -> tuple[Dataset, str]:
    said = (str(header.get("PatientID") or ""), str(header.get("IssuerOfPatientID") or ""))
    owner = imaging.current().record.patient_of_identity(*said)
    if owner is not None and owner != patient.patient:
        raise PictureRefused("The file is of another patient of this hospital")
    uid = str(header.get("StudyInstanceUID") or fingerprint(data))
    # The patient's own export, brought back, is the same study; anything else becomes a new one.
    study = StudyIdentity(
        new_uid("upload", patient.patient, uid), accession=str(header.get("AccessionNumber") or "")
    )
    dataset = filed_anew(data, patient, study)
    if owner is not None:
        return dataset, ""
    return dataset, "The file named a patient unknown here; it is now filed under this chart."


def _statement() -> Statement:
    body_part, view = request.form.get("body_part", ""), request.form.get("view", "")
    if body_part not in _BODY_PARTS or view not in _VIEWS:
        raise PictureRefused("Body part and view must be ones that the form offers")
    return Statement(body_part, view)


def _date() -> str:
    text = request.form.get("date", "")
    if not text:
        return ""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise PictureRefused("The date must be a day")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise PictureRefused("The date must be a day") from error
    if day > date.today():  # noqa: DTZ011  the hospital's own day
        raise PictureRefused("The date must not be in the future")
    return text.replace("-", "")
