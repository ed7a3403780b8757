"""Whether the EHR would take a report; `$validate` stores nothing (docs/decisions/0411).

What is sent is built by the product's own builder, in its form for images that cannot be read: a
server that stored it all the same would hold no statement about the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from inference.model_facts import ModelFacts
from inference.prediction import ModelIdentity, Prediction, Reason
from inference.registry import model_facts, model_names
from plugin.checks.result import Result
from plugin.imaging.imaging_study import Study
from plugin.launching.launches import OpenLaunch
from plugin.record import Record
from plugin.reporting.report import ReportContext, ReportResources, build_report, reading_key
from plugin.reporting.write_back import not_written
from plugin.reporting.writer import without_id
from smart_launch.errors import FhirForbidden, FhirNotFound, FhirRejected, SmartError
from smart_launch.outcome import describe, read_outcome

SAMPLE = Reason("check", "A check of the connection; no image was looked at.")
NOT_OFFERED = (404, 405, 501)
NO_PROOF = "Have one study read and look for its report: only that proves that it can be written."


def check_writing(record: Record, launch: OpenLaunch, study: Study) -> Iterator[Result]:
    """Let the EHR validate what a reading of this study would write."""
    subject = f"EHR {launch.ehr.id}"
    refused = not_written(launch.ehr.write, launch.granted)
    if refused is not None:
        yield Result("warning", subject, "write_none", refused.sentence, WRITE_NONE)
        return
    built = sample_report(launch, study)
    for resource in (built.observation, built.report):
        yield judge(subject, record, without_id(resource))


WRITE_NONE = (
    "Set `write` to a mode that fits the EHR, and ask for the scopes, to have reports saved."
)


def judge(subject: str, record: Record, resource: dict[str, Any]) -> Result:
    """Send one resource to `$validate` and read the answer."""
    kind = str(resource["resourceType"])
    try:
        issues = read_outcome(record.validate(resource, mode="create"))
    except FhirRejected as error:
        if error.status in NOT_OFFERED or any(one.code == "not-supported" for one in error.issues):
            return unproven(subject, kind, "does not offer $validate")
        issues = error.issues
    except FhirNotFound:
        return unproven(subject, kind, "does not offer $validate")
    except FhirForbidden:
        return unproven(subject, kind, "does not let this sign-in use $validate")
    except SmartError as error:
        return unproven(subject, kind, f"did not answer $validate ({error.code})")
    wrong = tuple(one for one in issues if one.severity in ("fatal", "error"))
    if not wrong and issues:
        return Result("ok", subject, "validate", f"it would take our {kind} ($validate)")
    return Result(
        "failure", subject, "validate",
        f"it would refuse our {kind}: {describe(wrong) or 'it does not say why'}",
        "Compare the EHR's profiles with fhir_examples; settings that change what is written are "
        "report_status and ai_security_label.",
    )  # fmt: skip


def unproven(subject: str, kind: str, why: str) -> Result:
    """Say that nothing was proved either way."""
    return Result("warning", subject, "validate", f"it {why} for {kind}", NO_PROOF)


def sample_report(launch: OpenLaunch, study: Study) -> ReportResources:
    """Build what a reading of this study would write, without a reading."""
    facts = fitting_model(study)
    identity = ModelIdentity(
        name=facts.name,
        title=facts.title,
        version=facts.version,
        weights_sha256=facts.networks["classifier"].sha256,
        prepare_version=facts.prepare_version,
        runtime="none",
    )
    prediction = Prediction("cannot_read", identity, reasons=(SAMPLE,))
    patient = launch.context.require_patient()
    context = ReportContext(
        key=reading_key(launch.ehr.issuer, patient, study.uid or "", [], identity),
        patient=patient,
        patient_line="",
        birth_date=None,
        study=study,
        views=1,
        acquired=None,
        issued=datetime.now(UTC),
        status=launch.ehr.report_status,
        ai_security_label=launch.ehr.ai_security_label,
        launched_by=None,
        launch_encounter=None,
        model=facts,
        model_card="https://wetread.example/models",
        unverifiable=False,
    )
    return build_report(prediction, context)


def fitting_model(study: Study) -> ModelFacts:
    """Give the facts of a model that is made for the study's modality."""
    known = [model_facts(name) for name in model_names()]
    fits = [one for one in known if set(one.modalities) & set(study.modalities)]
    return (fits or known)[0]
