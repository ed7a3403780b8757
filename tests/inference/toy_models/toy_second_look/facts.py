"""Facts of the toy; every optional one is set."""

from inference.model_facts import (
    Coding,
    Measured,
    ModelClass,
    ModelFacts,
    NetworkFile,
    OperatingPoint,
)

_SYSTEM = "https://wetread.example/toy"

FACTS = ModelFacts(
    name="toy_second_look",
    title="Toy: brightness of the middle",
    version="1.0.0",
    modalities=("CR", "DX"),
    body_parts=("CHEST", "THORAX"),
    views=("PA", "AP"),
    input_shape=(8, 8),
    classes=(
        ModelClass("dark", "Dark image", Coding(_SYSTEM, "dark", "Dark")),
        ModelClass("bright", "Bright image", Coding(_SYSTEM, "bright", "Bright")),
    ),
    target="bright",
    operating_points=(
        OperatingPoint("rule_out", 0.2, Measured(0.95, 0.9, 0.98), Measured(0.4, 0.3, 0.5)),
        OperatingPoint("balanced", 0.5, Measured(0.8, 0.7, 0.9), Measured(0.8, 0.7, 0.9)),
        OperatingPoint("rule_in", 0.9, Measured(0.3, 0.2, 0.4), Measured(0.98, 0.95, 0.99)),
    ),
    networks={
        "classifier": NetworkFile(
            "weights/classifier.onnx",
            "b073e60f5b188dc98105f669d703bf7780e6e656b656e406e9598c2d97d012ab",
        ),
        "finder": NetworkFile(
            "weights/finder.onnx",
            "0f00d628eac83e800b9758bde9e5f2ee35dda9c79d5f4d35f9a77dbabd3cd7ae",
        ),
    },
    prepare_version="1",
    heat_map_range=(0.0, 0.5),
    minimum_age_years=16,
    minimum_side_pixels=32,
    limits=("It only measures brightness.",),
    licence="Apache-2.0",
    weights_licence="Apache-2.0",
    paper="none",
    reference_prevalence=0.25,
    pictures="on_request",
    interval_method="A tenth to either side; it covers nothing.",
    organ="middle columns",
    outside_caution=0.6,
    outside_refusal=0.9,
    aside_ages=(1, 12),
)
