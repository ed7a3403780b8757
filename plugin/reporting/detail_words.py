"""In words: operating points, radiographic extent, the map outside the organ, an aside. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugin.reporting.percent import percent

if TYPE_CHECKING:
    from inference.model_facts import Measured, ModelFacts, OperatingPoint, PointName
    from inference.prediction import Aside, Extent, Measure, Prediction

POINT_LABELS: dict[PointName, str] = {
    "rule_out": "Rule-out",
    "balanced": "Balanced",
    "rule_in": "Rule-in",
}
POINTS_NOTE = "A threshold keeps its side at any prevalence. Figures are with their 95 % intervals."
EXTENT_NOTE = "It describes the image, not how ill the patient is."
ASIDE_NOTE = "Not for withholding antibiotics or any other treatment."


@dataclass(frozen=True)
class PointInWords:
    """On which side of one operating point an image lies, and what was measured there.

    Attributes
    ----------
    label : str
        "Rule-out", "Balanced" or "Rule-in".
    above : bool
        At or above the threshold.
    side : str
        In one sentence.
    caution : str or None
        What that side does not mean, in one more.
    sensitivity, specificity : str or None
        With the interval; None where it was not measured.
    """

    label: str
    above: bool
    side: str
    caution: str | None
    sensitivity: str | None
    specificity: str | None


def points_in_words(prediction: Prediction, facts: ModelFacts) -> tuple[PointInWords, ...]:
    """Say on which side of each operating point the image lies; none without a number.

    Decided at the model's reference prevalence, as the thresholds are.
    """
    probability = prediction.probability
    if probability is None:
        return ()
    target = facts.class_named(facts.target).label
    return tuple(
        _point(one, above=probability >= one.threshold, target=target)
        for one in facts.operating_points
    )


def _point(point: OperatingPoint, *, above: bool, target: str) -> PointInWords:
    label, side = POINT_LABELS[point.name], "above" if above else "below"
    caution = None
    if point.name == "rule_out" and not above:
        caution = f"A low score does not exclude {target}."
    if point.name == "rule_in" and above:
        caution = f"A high score does not confirm {target}."
    return PointInWords(
        label=label,
        above=above,
        side=f"{side.capitalize()} the {label.lower()} threshold.",
        caution=caution,
        sensitivity=_rate(point.sensitivity),
        specificity=_rate(point.specificity),
    )


def _rate(rate: Measured | None) -> str | None:
    if rate is None:
        return None
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def extent_note(extent: Extent | None) -> str | None:
    """Say the radiographic extent with its measures and their typical errors."""
    if extent is None:
        return None
    measures = ", ".join(measure_in_words(one) for one in extent.measures)
    level = f"Radiographic extent: {level_in_words(extent)}"
    return f"{level}{f'; {measures}' if measures else ''}. {EXTENT_NOTE}"


def level_in_words(extent: Extent) -> str:
    """Write the level of radiographic extent."""
    return f"level {extent.level} of 3 ({extent.level_label})"


def measure_in_words(measure: Measure) -> str:
    """Write one measure, on its scale and with its error."""
    return (
        f"{measure.label} {measure.value:.1f} of {measure.highest:g} "
        f"(typical error {measure.error:.1f})"
    )


def outside_note(share: float | None, organ: str) -> str | None:
    """Say how much of the heat map's weight lies where nothing should be found."""
    if share is None:
        return None
    text = percent(share)
    return f"{text[0].upper()}{text[1:]} of the map's weight lies outside the {organ}."


def aside_notes(aside: Aside | None, target: str) -> tuple[str, ...]:
    """Say the answer to another question, and what it is not for."""
    if aside is None:
        return ()
    shares = ", ".join(f"{label.lower()} {percent(p)}" for label, p in aside.classes.items())
    return (
        f"{aside.title.rstrip(':.')}: {shares}.",
        ASIDE_NOTE,
        f"This says nothing about {target}, neither for nor against it.",
        *(caution.sentence for caution in aside.cautions),
    )
