"""Who launched a reading, what read it and from what: a FHIR R4 Provenance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugin.reporting.fhir_codes import OPERATION, PARTICIPATION, coding
from plugin.reporting.observation import build_device

if TYPE_CHECKING:
    from inference.prediction import Prediction
    from plugin.reporting.report import ReportContext


def build_provenance(
    prediction: Prediction, context: ReportContext, observation: str
) -> dict[str, Any]:
    """Record who launched the reading, what read it, and from what."""
    machine = {
        "type": {"coding": [coding(PARTICIPATION, "assembler", "Assembler")]},
        "who": {"reference": "#model"},
    }
    agents: list[dict[str, Any]] = [machine]
    if context.launched_by:
        role = {"coding": [coding(PARTICIPATION, "enterer", "Enterer")]}
        agents.append({"type": role, "who": _user(context.launched_by)})
    entities = [{"role": "source", "what": {"reference": f"ImagingStudy/{context.study.id}"}}]
    entities += [{"role": "revision", "what": {"reference": r}} for r in context.previous]
    if context.launch_encounter:
        encounter = {"reference": f"Encounter/{context.launch_encounter}"}
        entities.append({"role": "source", "what": encounter | {"display": "Launched from here"}})
    return {
        "resourceType": "Provenance",
        "id": context.resource_id,
        "contained": [build_device(prediction, context.model, context.model_card)],
        "target": [
            {"reference": f"DiagnosticReport/{context.resource_id}"},
            {"reference": observation},
        ],
        "recorded": context.issued.isoformat(timespec="milliseconds"),
        "activity": {"coding": [coding(OPERATION, "CREATE", "create")]},
        "agent": agents,
        "entity": entities,
    }


def _user(fhir_user: str) -> dict[str, Any]:
    """Refer to the user; one kept elsewhere by identifier, since servers refuse foreign links."""
    if "://" in fhir_user:
        return {"identifier": {"system": "urn:ietf:rfc:3986", "value": fhir_user}}
    return {"reference": fhir_user}
