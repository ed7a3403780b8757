"""The probability as a FHIR R4 Observation, with the model as a contained Device. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugin.reporting.answer import answer_at
from plugin.reporting.components import components, probability_quantity
from plugin.reporting.fhir_codes import (
    DATA_ABSENT,
    OBSERVATION_CATEGORY,
    PROBABILITY,
    READING_KEY,
    SECURITY_LABEL,
    WEIGHTS_SHA256,
    coding,
    own,
)
from plugin.reporting.wording import meaning

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts
    from inference.prediction import Prediction
    from plugin.reporting.report import ReportContext

DEVICE_ID = "model"


def build_observation(prediction: Prediction, context: ReportContext) -> dict[str, Any]:
    """Build the Observation that carries the number, or the reason why there is none.

    Never an `interpretation`: a machine's "NEG" would be filtered on as if a clinician had said it.
    """
    facts = context.model
    target = facts.class_named(facts.target).label
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": context.resource_id,
        "meta": labels(context),
        "contained": [build_device(prediction, facts, context.model_card)],
        "identifier": [{"system": READING_KEY, "value": context.key}],
        "status": _status(context.status),
        "category": [{"coding": [coding(OBSERVATION_CATEGORY, "imaging", "Imaging")]}],
        "code": {
            "coding": [own(PROBABILITY)],
            "text": f"Probability of {target} (unverified AI reading)",
        },
        "subject": {"reference": f"Patient/{context.patient}"},
        "issued": context.issued.isoformat(timespec="milliseconds"),
        "method": {
            "coding": [own("image-classification")],
            "text": f"{facts.title} {prediction.model.version}",
        },
        "device": {"reference": f"#{DEVICE_ID}", "display": facts.title},
        "derivedFrom": [{"reference": f"ImagingStudy/{context.study.id}"}],
    }
    if context.effective:
        observation["effectiveDateTime"] = context.effective
    if context.encounter:
        observation["encounter"] = context.encounter
    return observation | _value(prediction, context)


def build_device(prediction: Prediction, facts: ModelFacts, card: str) -> dict[str, Any]:
    """Describe the model exactly enough to repeat the reading; contained, never a performer."""
    identity = prediction.model
    return {
        "resourceType": "Device",
        "id": DEVICE_ID,
        "identifier": [{"system": WEIGHTS_SHA256, "value": identity.weights_sha256}],
        "deviceName": [{"name": facts.title, "type": "model-name"}],
        "modelNumber": identity.name,
        "type": {"text": "Artificial intelligence model for medical images"},
        "version": [
            {"type": {"text": "model"}, "value": identity.version},
            {"type": {"text": "weights sha256"}, "value": identity.weights_sha256},
            {"type": {"text": "image preparation"}, "value": identity.prepare_version},
            {"type": {"text": "runtime"}, "value": identity.runtime},
        ],
        "url": card,
    }


def labels(context: ReportContext) -> dict[str, Any]:
    """Mark a resource as made by a machine (HL7 AI Transparency on FHIR, ballot)."""
    security = [coding(SECURITY_LABEL, "DEVAST", "device asserted")]
    if context.ai_security_label:
        security.append(coding(SECURITY_LABEL, "AIAST", "Artificial Intelligence asserted"))
    return {"tag": [own("ai-reading")], "security": security}


def _status(report_status: str) -> str:
    # Observation knows no "partial"; both mean that nobody has verified the content.
    return "registered" if report_status == "registered" else "preliminary"


def _value(prediction: Prediction, context: ReportContext) -> dict[str, Any]:
    answer = answer_at(prediction, context.model, context.site)
    if answer is None:
        # Of this finding nothing is known; an answer to another question is none to this one.
        reasons = " ".join(reason.sentence for reason in prediction.reasons)
        absent = {"coding": [coding(DATA_ABSENT, "unsupported", "Unsupported")]}
        return {"dataAbsentReason": absent | ({"text": reasons} if reasons else {})}
    parts = components(answer, prediction.extent, context.image, context.model)
    target = context.model.class_named(context.model.target).label
    note = " ".join(meaning(answer, target))
    value: dict[str, Any] = {"valueQuantity": probability_quantity(answer.probability)}
    # Charts show an Observation without its report: the number must not stand there alone.
    value |= {"note": [{"text": note}]} if note else {}
    return value | ({"component": parts} if parts else {})
