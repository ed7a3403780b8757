"""Results of readings, built by the plugin itself from predictions: what the page really gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inference.model_facts import (
    Coding,
    Measured,
    ModelClass,
    ModelFacts,
    NetworkFile,
    OperatingPoint,
)
from inference.prediction import Aside, ModelIdentity, Prediction, Reason
from inference.prevalence import likelihood_ratio, posterior
from plugin.reporting.image_read import ImageRead, words_with_image
from plugin.reporting.result import result_json
from plugin.reporting.site_prevalence import Prevalence
from plugin.reporting.wording import put_into_words
from tests.plugin.reading.samples import EXTENT

Json = dict[str, Any]

READ_AT = "2026-11-20T14:05:00+00:00"
SNOMED = "http://snomed.info/sct"
REFERENCE = 0.43
SITE = Prevalence(0.05, "ehr", "Demo Hospital")
TITLE = "Chest X-ray, Covid-19"
# What rows of readings from before there were prevalences, thresholds, extent and asides lack.
LATER = {
    "target", "meaning", "presumed", "operating_points", "operating_points_note",
    "interval_method", "extent", "aside", "outside",
}  # fmt: skip


def at_reference(probability: float) -> float:
    """What the model must say for the page to show this probability."""
    return posterior(probability, SITE.share, REFERENCE)


FACTS = ModelFacts(
    name="chest_xray",
    title=TITLE,
    version="0.1.0",
    modalities=("CR", "DX"),
    body_parts=("CHEST",),
    views=("PA", "AP"),
    input_shape=(8, 8, 1),
    classes=(
        ModelClass("covid", "Covid-19", Coding(SNOMED, "840539006", "Covid-19")),
        ModelClass("normal", "Normal", Coding(SNOMED, "17621005", "Normal")),
        ModelClass("other", "Other pneumonia", Coding(SNOMED, "233604007", "Pneumonia")),
    ),
    target="covid",
    operating_points=(
        OperatingPoint(
            "rule_out", at_reference(0.1), Measured(0.97, 0.93, 0.99), Measured(0.41, 0.35, 0.47)
        ),
        OperatingPoint(
            "balanced", at_reference(0.46), Measured(0.87, 0.81, 0.92), Measured(0.79, 0.74, 0.83)
        ),
        OperatingPoint("rule_in", at_reference(0.55), None, Measured(0.98, 0.96, 0.99)),
    ),
    networks={"classifier": NetworkFile("classifier.onnx", "0" * 64)},
    prepare_version="1",
    heat_map_range=(0.0, 1.0),
    minimum_age_years=16,
    minimum_side_pixels=100,
    limits=(
        "Trained on public images; on a new hospital's images it is less accurate.",
        "Not made for children under 16, lateral views or photographs.",
    ),
    licence="Apache-2.0",
    weights_licence="research",
    paper="none",
    reference_prevalence=REFERENCE,
    interval_method="Venn-Abers interval. It does not cover images of another hospital.",
    organ="lungs",
)
IDENTITY = ModelIdentity("chest_xray", TITLE, "0.1.0", "9f2ab4c07d11e5a8" * 4, "1", "onnx")
AGE_UNKNOWN = Reason("age_unknown", "The image does not state the patient's age.")
LATERAL = Reason("lateral", "A lateral view; the model reads frontal views.")
CHILD = Reason(
    "under_minimum_age", "The patient is younger than 16; the model reads people of 16 and older."
)
ASIDE = Aside(
    "bacterial_or_viral",
    "If this child has pneumonia",
    {"bacterial": 0.7, "viral": 0.3},
    (Reason("aside_source", "Trained on children of 1 to 5 years from one hospital."),),
)


def shown(prediction: Prediction, **changes: Any) -> Json:
    """Give the result of a prediction as the API answers it."""
    read = prediction.status == "ok"
    image = ImageRead(1, 1, "PA", "1.2.3.1") if read else None
    words = put_into_words(prediction, FACTS, unverifiable=False, site=SITE)
    made = result_json(
        prediction,
        FACTS,
        words_with_image(words, image),
        image,
        card="https://models.example/chest-xray",
        read_at=READ_AT,
        site=SITE,
    )
    return made | {"heat_map": "/api/readings/g1/heat-map.png" if read else None} | changes


def prediction(probability: float, low: float, high: float) -> Prediction:
    """A prediction that the page shows with these numbers."""
    stated = at_reference(probability)
    return Prediction(
        "ok",
        IDENTITY,
        probability=stated,
        positive=stated >= FACTS.operating_point.threshold,
        classes={
            "covid": stated,
            "normal": (1 - stated) * 0.648 / 0.874,
            "other": (1 - stated) * 0.226 / 0.874,
        },
        interval=(at_reference(low), at_reference(high)),
        likelihood_ratio=likelihood_ratio(stated, REFERENCE),
        outside_share=0.12,
    )


def result(**changes: Any) -> Json:
    """Below the balanced threshold, with a caution."""
    return shown(replace(prediction(0.126, 0.07, 0.21), cautions=(AGE_UNKNOWN,)), **changes)


def positive() -> Json:
    """Above every threshold, with radiographic extent."""
    return shown(replace(prediction(0.58, 0.31, 0.8), extent=EXTENT))


def former() -> Json:
    """A result stored before the page knew more than the probability."""
    return {name: value for name, value in result().items() if name not in LATER}


def cannot_read() -> Json:
    """A lateral view: reasons and no number."""
    return shown(Prediction("cannot_read", IDENTITY, reasons=(LATERAL,)))


def child() -> Json:
    """An image of a child: no number for Covid-19, and an answer to another question."""
    return shown(Prediction("cannot_read", IDENTITY, reasons=(CHILD,), aside=ASIDE))
