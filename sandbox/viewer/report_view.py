"""A DiagnosticReport as the viewer shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.dicomweb.archive import Json
from sandbox.viewer.studies import when

_STATUS = {
    "registered": "registered",
    "partial": "partial",
    "preliminary": "preliminary",
    "final": "final",
    "amended": "amended",
    "corrected": "corrected",
    "appended": "appended",
    "cancelled": "cancelled",
    "entered-in-error": "entered in error",
}
# v3-ObservationValue: asserted by an algorithm, or data that came from a device.
_BY_MACHINE = frozenset({"AIAST", "DEVAST"})


@dataclass(frozen=True)
class ValueView:
    """One measured value."""

    label: str
    text: str


@dataclass(frozen=True)
class ReportView:
    """One report, ready to be shown."""

    id: str
    title: str
    status: str
    by_machine: bool
    status_words: str
    conclusion: str
    issued: str
    effective: str
    study: str
    values: tuple[ValueView, ...]
    has_pdf: bool


def view_report(report: Json, observations: Sequence[Json]) -> ReportView:
    """Show a DiagnosticReport with the Observations that it names."""
    status = str(report.get("status", "unknown"))
    by_machine = _is_by_machine(report)
    words = _STATUS.get(status, status)
    if by_machine and status in ("preliminary", "partial", "registered"):
        words = f"{words} – unverified AI reading"
    return ReportView(
        id=str(report.get("id", "")),
        title=concept(report.get("code", {})) or "Report",
        status=status if status in _STATUS else "unknown",
        by_machine=by_machine,
        status_words=words,
        conclusion=str(report.get("conclusion", "")),
        issued=_instant(str(report.get("issued", ""))),
        effective=when(str(report.get("effectiveDateTime", ""))),
        study=_study(report),
        values=tuple(v for observation in observations for v in _values(observation)),
        has_pdf=pdf_of(report) is not None,
    )


def pdf_of(report: Json) -> Json | None:
    """The report's own PDF attachment, None when there is none."""
    for form in report.get("presentedForm", []):
        if form.get("contentType") == "application/pdf" and form.get("data"):
            attachment: Json = form
            return attachment
    return None


def concept(value: Json) -> str:
    """A CodeableConcept for people."""
    codings = value.get("coding") or [{}]
    return str(value.get("text") or codings[0].get("display") or codings[0].get("code") or "")


def _instant(moment: str) -> str:
    # The moment of writing comes from another machine, so its time zone belongs to it.
    zone = moment[19:].lstrip(".0123456789")
    return f"{when(moment)} {'UTC' if zone in ('Z', '+00:00') else zone}".strip()


def _is_by_machine(report: Json) -> bool:
    meta = report.get("meta", {})
    labels = [*meta.get("security", []), *meta.get("tag", [])]
    if any(label.get("code") in _BY_MACHINE for label in labels):
        return True
    return not report.get("resultsInterpreter") and "AI" in concept(report.get("code", {})).split()


def _study(report: Json) -> str:
    references = [str(r.get("reference", "")) for r in report.get("imagingStudy", [])]
    return references[0].split("/")[-1] if references else ""


def _values(observation: Json) -> list[ValueView]:
    whole = _value(observation)
    rows = [ValueView(concept(observation.get("code", {})) or "Result", whole)] if whole else []
    absent = concept(observation.get("dataAbsentReason", {}))
    if not whole and absent:
        rows.append(ValueView(concept(observation.get("code", {})) or "Result", absent))
    parts = ((concept(p.get("code", {})), _value(p)) for p in observation.get("component", []))
    return [*rows, *(ValueView(label, text) for label, text in parts if text)]


def _value(holder: Json) -> str:
    quantity = holder.get("valueQuantity")
    if isinstance(quantity, dict) and isinstance(quantity.get("value"), (int, float)):
        return _quantity(float(quantity["value"]), str(quantity.get("unit", "")))
    for name in ("valueString", "valueInteger", "valueBoolean", "valueDateTime"):
        if name in holder:
            return str(holder[name])
    return concept(holder["valueCodeableConcept"]) if "valueCodeableConcept" in holder else ""


def _quantity(value: float, unit: str) -> str:
    if unit == "probability" and 0 <= value <= 1:
        return f"{value:.1%}".replace("%", " %")
    return f"{value:g} {unit}".strip()
