"""What a chart holds, read from the record with the hospital's own rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from flask import abort

from sandbox import hospital
from sandbox.dicomweb import imaging
from sandbox.dicomweb.archive import Json
from sandbox.dicomweb.errors import ArchiveUnavailable
from sandbox.dicomweb.record import study_uid_of, subject_id
from sandbox.errors import FhirProblem
from sandbox.viewer.people import PatientView, view_patient
from sandbox.viewer.report_view import ReportView, view_report
from sandbox.viewer.studies import StudyView, view_study

MOST_PATIENTS = 2000
MOST_REPORTS = 100


def search_all(kind: str, parameters: Sequence[tuple[str, str]] = ()) -> Iterator[Json]:
    """Every match of a search, page after page."""
    fhir, given = hospital.current().fhir, list(parameters)
    page = fhir.search(kind, given)
    yield from page.matches
    while page.next_page:
        page = fhir.search(kind, [*given, ("_page", page.next_page)])
        yield from page.matches


def list_patients(words: str = "") -> list[PatientView]:
    """Patients whose name, number or birth date holds every word; a folder's pictures first."""
    imported = {key: place for place, key in enumerate(imaging.current().imported)}
    found = (view_patient(p) for p in islice(search_all("Patient"), MOST_PATIENTS))
    shown = [patient for patient in found if patient.fits(words)]
    last = len(imported)
    return sorted(shown, key=lambda p: (imported.get(p.id, last), p.name.casefold(), p.id))


def read_patient(patient: str) -> PatientView:
    """One patient; answers 404 when the record has none."""
    return view_patient(read_or_404("Patient", patient))


def read_or_404(kind: str, resource_id: str) -> Json:
    """One resource; answers 404 when the record has none."""
    try:
        return hospital.current().fhir.read(kind, resource_id)
    except FhirProblem as problem:
        # A malformed id is a 400 of the store and just as much not there.
        abort(404 if problem.status in (400, 404, 410) else 502)


def list_studies(patient: str) -> list[StudyView]:
    """A patient's studies, the newest first."""
    house = imaging.current()
    studies = sorted(
        house.record.imaging_studies(patient), key=lambda s: str(s.get("started", "")), reverse=True
    )
    return [_view(study) for study in studies]


def read_study(patient: str, study: str) -> StudyView:
    """One of a patient's studies; answers 404 for anybody else's."""
    found = read_or_404("ImagingStudy", study)
    if subject_id(found) != patient:
        abort(404)
    return _view(found)


def _view(study: Json) -> StudyView:
    uid = study_uid_of(study)
    try:
        instances = imaging.current().archive.instances(uid) if uid else []
    except ArchiveUnavailable:
        # The chart must open although the PACS is down; it then shows no images.
        instances = []
    return view_study(study, instances)


def list_reports(patient: str, study: str | None = None) -> list[ReportView]:
    """A patient's reports (of one study, if given), the newest first."""
    found = list(islice(search_all("DiagnosticReport", [("patient", patient)]), MOST_REPORTS))
    if study is not None:
        found = [report for report in found if _is_of(report, study)]
    found.sort(key=lambda r: str(r.get("issued") or r.get("effectiveDateTime", "")), reverse=True)
    return [view_report(report, _observations(report)) for report in found]


def _is_of(report: Json, study: str) -> bool:
    references = [str(r.get("reference", "")) for r in report.get("imagingStudy", [])]
    return any(reference.split("/")[-1] == study for reference in references)


def _observations(report: Json) -> list[Json]:
    contained = {f"#{c.get('id')}": c for c in report.get("contained", [])}
    found = []
    for result in report.get("result", []):
        reference = str(result.get("reference", ""))
        observation = contained.get(reference) or _observation(reference)
        if observation is not None:
            found.append(observation)
    return found


def _observation(reference: str) -> Json | None:
    kind, _, resource_id = reference.partition("/")
    if kind != "Observation" or not resource_id:
        return None
    try:
        return hospital.current().fhir.read(kind, resource_id)
    except FhirProblem:
        return None
