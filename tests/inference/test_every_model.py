"""One suite judges every model folder; a new model needs no new test here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference import golden, registry
from inference.images import DicomFacts, Image
from inference.model import Model
from inference.rendering import heat_map_png
from tests.inference.conftest import TOY_MODELS

_CARD_HEADINGS = (
    "What it is for",
    "How it reads",
    "How it was trained",
    "Figures",
    "Known weaknesses",
)
_OPENED: dict[str, Model] = {}


@pytest.fixture(params=registry.model_names(TOY_MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str) -> Path:
    return registry.model_folder(name, TOY_MODELS)


@pytest.fixture
def model(name: str) -> Model:
    if name not in _OPENED:
        _OPENED[name] = registry.load_model(name, search=TOY_MODELS, threads=1)
    return _OPENED[name]


def suitable(model: Model, seed: int = 1) -> Image:
    """A phantom with a header that the model's facts accept."""
    facts = model.facts
    header = DicomFacts(
        modality=facts.modalities[0],
        body_part=facts.body_parts[0] if facts.body_parts else None,
        view_position=facts.views[0] if facts.views else None,
        patient_age_years=60.0,
    )
    return replace(golden.phantom(seed), facts=header, source="dicom")


def test_every_class_has_a_code_and_words(model: Model) -> None:
    keys = [one.key for one in model.facts.classes]
    assert len(set(keys)) == len(keys) >= 2
    for one in model.facts.classes:
        assert one.label
        assert one.coding.system.startswith(("http://", "https://", "urn:"))
        assert one.coding.code
        assert one.coding.display


def test_facts_are_complete(model: Model) -> None:
    facts = model.facts
    assert all((facts.title, facts.version, facts.licence, facts.weights_licence, facts.paper))
    assert facts.modalities
    assert facts.limits
    assert all(limit.endswith(".") for limit in facts.limits)
    assert 0 < facts.operating_point.threshold < 1
    low, high = facts.heat_map_range
    assert low < high
    for point in facts.operating_points:
        for rate in (point.sensitivity, point.specificity):
            assert rate is None or 0 <= rate.low <= rate.value <= rate.high <= 1


def test_an_interval_is_explained_and_holds_bounds_of_a_probability(model: Model) -> None:
    interval = model.read([suitable(model)]).interval
    if interval is None:
        return
    assert 0 <= interval[0] <= interval[1] <= 1
    assert model.facts.interval_method
    assert model.facts.interval_method.endswith(".")


@pytest.mark.parametrize("age", [1.0, 3.0, 11.0, 15.9])
def test_a_child_never_gets_a_number_for_the_target(model: Model, age: float) -> None:
    image = suitable(model)
    assert image.facts is not None
    prediction = model.read([replace(image, facts=replace(image.facts, patient_age_years=age))])
    assert prediction.status == "cannot_read"
    assert prediction.probability is prediction.likelihood_ratio is prediction.extent is None
    if prediction.aside is not None:
        low, high = model.facts.aside_ages or (0, 0)
        assert low <= age < high
        assert all(0 <= chance <= 1 for chance in prediction.aside.classes.values())
        assert all(note.sentence.endswith(".") for note in prediction.aside.cautions)


def test_weights_are_the_ones_in_the_facts(model: Model, folder: Path) -> None:
    for network in model.facts.networks.values():
        content = (folder / network.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == network.sha256
        assert len(content) <= 25 * 2**20


def test_golden_probabilities_are_not_saturated(model: Model, folder: Path) -> None:
    cases = json.loads((folder / model.facts.golden).read_text())["cases"]
    targets = [case["probabilities"][model.facts.target] for case in cases]
    assert any(0.02 < probability < 0.98 for probability in targets)


def test_probabilities_lie_between_0_and_1_and_fit_the_classes(model: Model) -> None:
    for seed in (1, 2, 3):
        prediction = model.read([suitable(model, seed)])
        if prediction.status == "cannot_read":
            assert prediction.reasons
            assert prediction.probability is None
            continue
        assert list(prediction.classes) == [one.key for one in model.facts.classes]
        assert all(0 <= probability <= 1 for probability in prediction.classes.values())
        assert prediction.probability == prediction.classes[model.facts.target]
        assert prediction.positive == (
            prediction.probability >= model.facts.operating_point.threshold
        )


def test_the_same_image_gets_the_same_answer(model: Model) -> None:
    first, second = (model.read([suitable(model)]) for _ in range(2))
    assert first.classes == second.classes
    assert first.reasons == second.reasons


def test_the_heat_map_lies_inside_the_image_on_an_absolute_scale(model: Model) -> None:
    prediction = model.read([suitable(model)])
    if prediction.heat_map is None:
        return
    top, left, bottom, right = prediction.heat_map_box
    assert 0 <= top < bottom <= 1
    assert 0 <= left < right <= 1
    assert prediction.heat_map.dtype == np.float32
    assert prediction.heat_map.min() >= 0
    assert prediction.heat_map.max() <= 1
    assert heat_map_png(prediction, (100, 80)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "change",
    [
        {"modality": "ECG"},
        {"body_part": "HIP"},
        {"view_position": "LL"},
        {"patient_age_years": 5.0},
    ],
)
def test_what_the_model_is_not_made_for_is_refused(model: Model, change: dict[str, object]) -> None:
    image = suitable(model)
    assert image.facts is not None
    if "view_position" in change and not model.facts.views:
        pytest.skip("this model reads any view")
    unsuitable = replace(image, facts=replace(image.facts, **change))  # type: ignore[arg-type]
    prediction = model.read([unsuitable])
    assert prediction.status == "cannot_read"
    assert prediction.probability is None
    assert prediction.positive is None
    assert prediction.heat_map is None
    assert all(reason.code and reason.sentence.endswith(".") for reason in prediction.reasons)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_blank_image_gets_a_reason_and_no_number(model: Model, value: float) -> None:
    blank = replace(suitable(model), pixels=np.full((512, 512), value, np.float32))
    assert model.read([blank]).status == "cannot_read"


def test_a_colour_photograph_is_refused(model: Model) -> None:
    assert model.read([replace(suitable(model), colour=True)]).status == "cannot_read"


def test_the_card_is_complete(model: Model, folder: Path) -> None:
    if folder.parent in TOY_MODELS:
        pytest.skip("the toy is read by no clinician")
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert f"version {model.facts.version}" in card
    for heading in _CARD_HEADINGS:
        assert f"## {heading}" in card
    assert "not a medical device" in card
    assert "research" in (folder / "WEIGHTS_LICENSE.md").read_text("utf-8").lower()
