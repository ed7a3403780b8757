"""The probability as a FHIR R4 Observation, with the model as a contained Device. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugin.reporting.fhir_codes import (
    DATA_ABSENT,
    OBSERVATION_CATEGORY,
    PROBABILITY,
    READING_KEY,
    SECURITY_LABEL,
    UCUM,
    WEIGHTS_SHA256,
    coding,
    own,
)
from plugin.reporting.wording import prevalence_note

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts
    from inference.prediction import Prediction
    from plugin.reporting.image_read import ImageRead
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


def probability_quantity(value: float) -> dict[str, Any]:
    """Give a probability as a Quantity: UCUM has no unit "probability", its code is 1."""
    return {"value": round(value, 4), "unit": "probability", "system": UCUM, "code": "1"}


def _status(report_status: str) -> str:
    # Observation knows no "partial"; both mean that nobody has verified the content.
    return "registered" if report_status == "registered" else "preliminary"


def _value(prediction: Prediction, context: ReportContext) -> dict[str, Any]:
    facts = context.model
    if prediction.probability is None:
        reasons = " ".join(reason.sentence for reason in prediction.reasons)
        absent = {"coding": [coding(DATA_ABSENT, "unsupported", "Unsupported")]}
        return {"dataAbsentReason": absent | ({"text": reasons} if reasons else {})}
    components = [
        _component(
            coding(one.coding.system, one.coding.code, one.coding.display),
            one.label,
            prediction.classes[one.key],
        )
        for one in facts.classes
        if one.key in prediction.classes
    ]
    if prediction.interval is not None:
        for code, bound in zip(("interval-low", "interval-high"), prediction.interval, strict=True):
            components.append(_component(own(code), own(code)["display"], bound))
    components += _image(context.image)
    note = prevalence_note(facts)
    value: dict[str, Any] = {"valueQuantity": probability_quantity(prediction.probability)}
    # Charts show an Observation without its report: the number must not stand there alone.
    value |= {"note": [{"text": note}]} if note else {}
    return value | ({"component": components} if components else {})


def _image(image: ImageRead | None) -> list[dict[str, Any]]:
    if image is None or image.sop_instance_uid is None:
        return []
    code = own("image-read")
    uid = f"urn:oid:{image.sop_instance_uid}"
    return [{"code": {"coding": [code], "text": code["display"]}, "valueString": uid}]


def _component(code: dict[str, str], text: str, value: float) -> dict[str, Any]:
    return {
        "code": {"coding": [code], "text": text},
        "valueQuantity": probability_quantity(value),
    }
