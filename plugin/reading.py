"""The path of one reading, top to bottom: find study, fetch, check identity, read, report, write.

This runs in the worker. Everything before `write_report` changes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inference.prediction import Reason
from plugin.imaging.identity import IdentityCheck
from plugin.imaging.imaging_study import Study
from plugin.imaging.patient_card import patient_line
from plugin.imaging.patient_check import CheckedPatient, check_again, check_patient, identity_rules
from plugin.imaging.studies import find_study
from plugin.launching.launches import OpenLaunch
from plugin.reporting.before_writing import look_before_writing
from plugin.reporting.image_read import ImageRead, image_read, words_with_image
from plugin.reporting.report import ReportContext, build_report, reading_key
from plugin.reporting.result import result_json
from plugin.reporting.site_prevalence import Prevalence
from plugin.reporting.wording import put_into_words
from plugin.reporting.write_back import Written, earlier_reports, not_written, write_back
from plugin.reporting.write_modes import WRITERS
from plugin.reporting.writer import Journal, Target, Writer
from plugin.steps import Progress
from smart_launch.scopes import covers

if TYPE_CHECKING:
    from inference.images import DicomFacts
    from inference.model import Model
    from inference.prediction import Prediction
    from plugin.workbench import Workbench

X_RAY = ("CR", "DX")
SEX_DIFFERS = Reason(
    "sex_differs",
    "The image states another sex than the chart: check that it is this patient's.",
)


@dataclass(frozen=True)
class ReadImages:
    """The answer of the model, before anything is written.

    Attributes
    ----------
    key : str
        Key of this reading: the same images read by the same model have the same.
    site : Prevalence or None
        As set for this EHR when the images were read: page and report presume the same.
    result : dict
        For the page.
    """

    key: str
    study: Study
    facts: tuple[DicomFacts, ...]
    model: Model
    prediction: Prediction
    image: ImageRead | None
    checked: CheckedPatient
    site: Prevalence | None
    result: dict[str, Any]


@dataclass(frozen=True)
class FinishedReading:
    """What came out of one reading.

    Attributes
    ----------
    written : Written
        What the record holds now.
    pdf : bytes
        The report's page.
    """

    read: ReadImages
    written: Written
    pdf: bytes


def read_study(
    launch: OpenLaunch,
    study_id: str,
    bench: Workbench,
    progress: Progress,
    journal: Journal,
    keep: Callable[[ReadImages, bytes | None], None],
) -> FinishedReading:
    """Read one study of the launch's patient and write the report.

    Parameters
    ----------
    bench : Workbench
        Record, archive, images and models, for this launch.
    progress : Progress
        Told about every step.
    journal : Journal
        What an earlier attempt of this reading has written; the lock of its key.
    keep : callable
        Gets the model's answer and the heat map (PNG) before anything is written, so that they
        outlive a sign-in that runs out.

    Raises
    ------
    PluginError, SmartError, InferenceError
        Each with a code and a sentence for the user. The journal knows what was begun.
    """
    patient, rules = launch.context.require_patient(), identity_rules(launch.ehr)

    with progress.step("find_study"):
        found = find_study(bench.record, patient, study_id, bench.archives, bench.modalities)
        study = found.study

    with progress.step("fetch_images"):
        fetched = bench.fetch(study)

    with progress.step("check_identity"):
        checked = check_patient(bench.record, rules, patient, study, fetched.facts, found.patients)

    with progress.step("read_images"):
        images = bench.images(fetched, checked.resource.get("birthDate"), study.started)
        facts = [one.facts for one in images]
        model = bench.model_for(facts)
        prediction = with_caution(model.read(images), checked.check)
        image = image_read(prediction, facts)
        read = describe(launch, study, fetched.facts, checked, model, prediction, image, bench)
        keep(read, bench.draw_heat_map(prediction, images))

    with progress.step("write_report"), journal.alone(read.key):
        return report_reading(launch, read, bench, journal)


def describe(
    launch: OpenLaunch,
    study: Study,
    facts: tuple[DicomFacts, ...],
    checked: CheckedPatient,
    model: Model,
    prediction: Prediction,
    image: ImageRead | None,
    bench: Workbench,
) -> ReadImages:
    """Put the model's answer into words and give the reading its key."""
    site = bench.site_prevalence(model.facts, launch.ehr)
    key = reading_key(
        launch.ehr.issuer,
        launch.context.require_patient(),
        study.uid or "",
        [one.sop_instance_uid or "" for one in facts],
        prediction.model,
        site,
    )
    words = put_into_words(
        prediction, model.facts, unverifiable=_is_unverifiable(checked), site=site
    )
    words = words_with_image(words, image)
    card = bench.card_address(model.facts.name)
    read_at = datetime.now(UTC).isoformat(timespec="seconds")
    return ReadImages(
        key=key,
        study=study,
        facts=facts,
        model=model,
        prediction=prediction,
        image=image,
        checked=checked,
        site=site,
        result=result_json(
            prediction, model.facts, words, image, card=card, read_at=read_at, site=site
        ),
    )


def report_reading(
    launch: OpenLaunch, read: ReadImages, bench: Workbench, journal: Journal
) -> FinishedReading:
    """Build the report and write it, unless this EHR or this user's scopes do not allow it.

    Whose images they are is checked once more after everything that takes time, and whatever else
    writing depends on is asked in the same request.
    """
    patient, study = launch.context.require_patient(), read.study
    refused = not_written(launch.ehr.write, launch.granted)
    ending = refused or _writer(launch, read.key, bench, journal)
    seen = look_before_writing(bench.record, patient, study, ending)
    rules = identity_rules(launch.ehr)
    checked = check_again(bench.record, rules, study, read.facts, seen.study, seen.patient)
    read = replace(read, checked=checked)
    earlier = earlier_reports(
        seen.earlier, bench.record.base_url, patient, study.uid or "", read.key
    )
    built = build_report(read.prediction, _context(launch, read, earlier.others, bench))
    if isinstance(ending, Writer):
        ending = write_back(ending, built, earlier.same, seen.answers)
    return FinishedReading(read, ending, built.pdf)


def _writer(launch: OpenLaunch, key: str, bench: Workbench, journal: Journal) -> Writer:
    target = Target(
        patient=launch.context.require_patient(),
        key=key,
        status=launch.ehr.report_status,
        provenance=covers(launch.granted, "patient/Provenance.c"),
    )
    return WRITERS[launch.ehr.write](bench.record, journal, target)


def _context(
    launch: OpenLaunch, read: ReadImages, previous: Sequence[str], bench: Workbench
) -> ReportContext:
    user, patient = launch.user, read.checked.resource
    return ReportContext(
        key=read.key,
        patient=launch.context.require_patient(),
        patient_line=patient_line(patient),
        birth_date=patient.get("birthDate"),
        study=read.study,
        views=_count_views(read.facts),
        image=read.image,
        acquired=next((one.acquired for one in read.facts if one.acquired), None),
        issued=datetime.now(UTC),
        status=launch.ehr.report_status,
        ai_security_label=launch.ehr.ai_security_label,
        launched_by=user.removeprefix(launch.ehr.issuer.rstrip("/") + "/") if user else None,
        launch_encounter=launch.context.encounter,
        model=read.model.facts,
        model_card=bench.card_address(read.model.facts.name),
        unverifiable=_is_unverifiable(read.checked),
        previous=tuple(previous),
        site=read.site,
    )


def with_caution(prediction: Prediction, check: IdentityCheck) -> Prediction:
    """Add what the identity check found odd but no reason to stop."""
    if not check.sex_differs:
        return prediction
    return replace(prediction, cautions=(*prediction.cautions, SEX_DIFFERS))


def _is_unverifiable(checked: CheckedPatient) -> bool:
    return checked.check.outcome == "unverifiable"


def _count_views(facts: Sequence[DicomFacts]) -> int:
    """Count different views; an image that does not state its own counts as one more."""
    images = [one for one in facts if one.modality in X_RAY]
    return len({one.view_position or one.sop_instance_uid for one in images})
