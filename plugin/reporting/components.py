"""The components of the Observation: classes, interval, prevalence, extent, image read. Pure.

Everything besides the probability itself. Radiographic extent is among them and no Observation of
its own, since it is given only beside a positive probability (docs/decisions/0522).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugin.reporting.detail_words import measure_in_words
from plugin.reporting.fhir_codes import OWN_CODES, UCUM, coding, own

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts
    from inference.prediction import Extent, Measure
    from plugin.reporting.answer import Answer
    from plugin.reporting.image_read import ImageRead

# Shares and ratios as people read them; more digits would be no better known.
DIGITS = 4


def components(
    answer: Answer, extent: Extent | None, image: ImageRead | None, facts: ModelFacts
) -> list[dict[str, Any]]:
    """Build the components of the Observation of an image that was read."""
    return [*_classes(answer, facts), *_meaning(answer), *_extent(extent), *_image(image)]


def probability_quantity(value: float) -> dict[str, Any]:
    """Give a probability as a Quantity: UCUM has no unit "probability", its code is 1."""
    return _number(value, "probability")


def _classes(answer: Answer, facts: ModelFacts) -> list[dict[str, Any]]:
    return [
        {
            "code": {
                "coding": [coding(one.coding.system, one.coding.code, one.coding.display)],
                "text": one.label,
            },
            "valueQuantity": probability_quantity(answer.classes[one.key]),
        }
        for one in facts.classes
        if one.key in answer.classes
    ]


def _meaning(answer: Answer) -> list[dict[str, Any]]:
    """The interval, and what lets a reader move the probability to another prevalence."""
    low, high = answer.interval or (None, None)
    share = answer.prevalence.share if answer.prevalence else None
    numbers = (
        ("interval-low", low, "probability"),
        ("interval-high", high, "probability"),
        ("prevalence-presumed", share, "share"),
        ("prevalence-reference", answer.reference, "share"),
        ("likelihood-ratio", answer.ratio, "ratio"),
    )
    return [
        _component(code, _number(value, unit)) for code, value, unit in numbers if value is not None
    ]


def _extent(extent: Extent | None) -> list[dict[str, Any]]:
    if extent is None:
        return []
    label = f"{OWN_CODES['extent-level']} ({extent.level_label})"
    level = {"code": {"coding": [own("extent-level")], "text": label}, "valueInteger": extent.level}
    return [level, *(_measure(one) for one in extent.measures)]


def _measure(measure: Measure) -> dict[str, Any]:
    name = f"extent-{measure.key.replace('_', '-')}"
    code = own(name if name in OWN_CODES else "extent-measure")
    score = {"value": round(measure.value, 1), "unit": "score", "system": UCUM, "code": "{score}"}
    return {"code": {"coding": [code], "text": measure_in_words(measure)}, "valueQuantity": score}


def _image(image: ImageRead | None) -> list[dict[str, Any]]:
    if image is None or image.sop_instance_uid is None:
        return []
    return [_component("image-read", None) | {"valueString": f"urn:oid:{image.sop_instance_uid}"}]


def _component(code: str, quantity: dict[str, Any] | None) -> dict[str, Any]:
    one = own(code)
    value = {"valueQuantity": quantity} if quantity else {}
    return {"code": {"coding": [one], "text": one["display"]}} | value


def _number(value: float, unit: str) -> dict[str, Any]:
    shown = value if unit == "probability" else float(f"{value:.{DIGITS}g}")
    return {"value": shown, "unit": unit, "system": UCUM, "code": "1"}
