"""Facts of the toy."""

from inference.model_facts import Coding, ModelClass, ModelFacts, NetworkFile, OperatingPoint

_SYSTEM = "https://wetread.example/toy"

FACTS = ModelFacts(
    name="toy_brightness",
    title="Toy: brightness",
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
    operating_points=(OperatingPoint("balanced", 0.5),),
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
    pictures="on_request",
)
