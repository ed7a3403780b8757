"""After the networks have run: reasons of the interpretation, map outside the organ, asides."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from inference import registry
from inference.errors import ModelRefused, PixelError
from inference.images import DicomFacts, Image, read_image
from inference.model import Model
from inference.prediction import Aside, Extent, ModelIdentity, Prediction
from tests.inference.conftest import TOY_MODELS
from tests.inference.dicom_files import chest, to_bytes

NAME = "toy_second_look"


@pytest.fixture(scope="module")
def toy() -> Model:
    return registry.load_model(NAME, search=TOY_MODELS, threads=1)


def drawn(values: np.ndarray, **attributes: object) -> Image:
    """A radiograph with these grey values, 0..1."""
    return read_image(to_bytes(chest((values * 4095).astype(np.uint16), **attributes)))


def columns(first: int, last: int, light: float = 0.9) -> np.ndarray:
    """64 x 64, dark, with light columns; the organ is from 16 to 48."""
    values = np.full((64, 64), 0.2)
    values[:, first:last] = light
    return values


def both_edges(left: int) -> np.ndarray:
    """Light up to a column and again from column 52 on."""
    return np.maximum(columns(0, left, 0.95), columns(52, 64, 0.95))


CHEQUERS = (np.indices((64, 64)) // 8).sum(axis=0) % 2 * 0.9
MIDDLE, EDGES = columns(24, 40), 1.1 - columns(16, 48)


def codes(prediction: Prediction) -> list[str]:
    return [reason.code for reason in prediction.reasons]


def test_what_the_interpretation_says_reaches_the_prediction(toy: Model) -> None:
    prediction = toy.read([drawn(columns(8, 56))])
    assert (prediction.status, prediction.positive) == ("ok", True)
    assert prediction.probability is not None
    assert prediction.interval is not None
    assert prediction.interval[0] == pytest.approx(prediction.probability - 0.1)
    odds = prediction.probability / (1 - prediction.probability)
    assert prediction.likelihood_ratio == pytest.approx(odds * 3)  # the prevalence is 0.25
    assert prediction.extent is not None
    assert prediction.extent.measures[0].value == 48
    assert prediction.aside is None


def test_extent_is_kept_back_below_the_balanced_point(toy: Model) -> None:
    prediction = toy.read([drawn(MIDDLE)])
    assert (prediction.status, prediction.positive) == ("ok", False)
    assert prediction.extent is None


def test_a_reason_of_the_interpretation_means_cannot_read(toy: Model) -> None:
    prediction = toy.read([drawn(CHEQUERS)])
    assert prediction.status == "cannot_read"
    assert codes(prediction) == ["chequered"]
    assert prediction.probability is prediction.likelihood_ratio is prediction.heat_map is None
    assert prediction.classes == {}


@pytest.mark.parametrize("refused", [CHEQUERS, EDGES])
def test_the_next_image_is_read_if_the_networks_refuse_the_best(
    toy: Model, refused: np.ndarray
) -> None:
    images = [drawn(refused, ViewPosition="PA"), drawn(MIDDLE, ViewPosition="AP")]
    prediction = toy.read(images)
    assert (prediction.status, prediction.image_index) == ("ok", 1)
    alone = toy.read(images[1:])
    assert prediction.probability == alone.probability
    assert prediction.cautions == alone.cautions


def test_each_image_that_the_networks_refuse_gives_its_reason(toy: Model) -> None:
    prediction = toy.read([drawn(CHEQUERS), drawn(EDGES)])
    assert codes(prediction) == ["chequered", "map_outside_organ"]


def test_a_map_inside_the_organ_passes_without_a_word(toy: Model) -> None:
    prediction = toy.read([drawn(MIDDLE)])
    assert prediction.outside_share == pytest.approx(0, abs=0.01)
    assert prediction.cautions == ()


def test_a_map_partly_outside_the_organ_gets_a_caution_that_names_it(toy: Model) -> None:
    prediction = toy.read([drawn(both_edges(24))])
    assert (prediction.status, prediction.positive) == ("ok", True)
    assert prediction.outside_share is not None
    assert 0.6 <= prediction.outside_share < 0.9
    (caution,) = prediction.cautions
    assert caution.code == "map_partly_outside_organ"
    assert "Bright image lies outside the middle columns" in caution.sentence
    assert f"{prediction.outside_share:.0%}" in caution.sentence


def test_a_map_outside_the_organ_is_no_answer(toy: Model) -> None:
    prediction = toy.read([drawn(EDGES)])
    assert prediction.status == "cannot_read"
    assert codes(prediction) == ["map_outside_organ"]
    assert prediction.outside_share is None


def test_a_negative_answer_is_not_refused_for_its_faint_map(toy: Model) -> None:
    prediction = toy.read([drawn(both_edges(18))])
    assert (prediction.status, prediction.positive) == ("ok", False)
    assert prediction.outside_share is not None
    assert prediction.outside_share > 0.9
    assert prediction.cautions == ()


def test_an_empty_map_has_no_share(toy: Model) -> None:
    dark = np.linspace(0, 0.4, 64 * 64, dtype=np.float32).reshape(64, 64)
    prediction = toy.read([replace(drawn(MIDDLE), pixels=dark)])
    assert prediction.heat_map is not None
    assert prediction.heat_map.max() == 0
    assert (prediction.status, prediction.outside_share) == ("ok", None)


# Asides


def young(values: np.ndarray = MIDDLE, **attributes: object) -> Image:
    return drawn(values, **{"PatientAge": "004Y", **attributes})


def test_a_child_gets_the_aside_and_no_number(toy: Model) -> None:
    prediction = toy.read([young()])
    assert prediction.status == "cannot_read"
    assert codes(prediction) == ["under_minimum_age"]
    assert prediction.probability is prediction.positive is prediction.likelihood_ratio is None
    assert prediction.interval is prediction.heat_map is prediction.extent is None
    assert prediction.classes == {}
    assert prediction.aside is not None
    assert prediction.aside.title == "Full or empty"
    assert sum(prediction.aside.classes.values()) == pytest.approx(1)
    assert set(prediction.timings_ms) == {"gate", "prepare", "aside"}


def test_an_adult_gets_no_aside_even_if_nothing_can_be_read(toy: Model) -> None:
    assert toy.read([drawn(CHEQUERS)]).aside is None
    assert toy.read([drawn(MIDDLE, ViewPosition="LL")]).aside is None


@pytest.mark.parametrize("age", ["006M", "012Y", "015Y"])
def test_a_child_of_another_age_gets_no_aside(toy: Model, age: str) -> None:
    prediction = toy.read([young(PatientAge=age)])
    assert codes(prediction) == ["under_minimum_age"]
    assert prediction.aside is None


def test_the_range_of_ages_holds_its_lower_end_and_not_its_upper_one(toy: Model) -> None:
    asked = [toy.read([young(PatientAge=age)]).aside for age in ("001Y", "011Y", "012Y")]
    assert [one is not None for one in asked] == [True, True, False]


def test_an_unknown_age_gets_the_number_with_a_caution_and_no_aside(toy: Model) -> None:
    prediction = toy.read([young(PatientAge=None)])
    assert (prediction.status, prediction.aside) == ("ok", None)
    assert [caution.code for caution in prediction.cautions] == ["age_unknown"]


def test_an_unknown_age_gets_no_aside_if_nothing_can_be_read(toy: Model) -> None:
    assert toy.read([young(CHEQUERS, PatientAge=None)]).aside is None


def test_an_age_in_doubt_gets_no_aside(toy: Model) -> None:
    image = young()
    assert image.facts is not None
    doubtful = replace(image, facts=replace(image.facts, patient_age_in_doubt=True))
    prediction = toy.read([doubtful])
    assert codes(prediction) == ["under_minimum_age"]
    assert prediction.aside is None


def test_a_child_that_is_refused_for_more_than_its_age_gets_no_aside(toy: Model) -> None:
    prediction = toy.read([young(BodyPartExamined="HAND")])
    assert codes(prediction) == ["wrong_body_part", "under_minimum_age"]
    assert prediction.aside is None


def test_the_other_views_of_a_child_do_not_stop_the_aside(toy: Model) -> None:
    views = [young(ViewPosition="LL"), young(ViewPosition="AP"), young(ViewPosition="PA")]
    prediction = toy.read(views)
    assert prediction.aside is not None
    assert prediction.image_index == 2


def test_the_next_image_of_a_child_is_tried(toy: Model) -> None:
    blank = replace(young(), pixels=np.full((64, 64), 0.5, np.float32))
    without_light = replace(young(), pixels=np.linspace(0, 0.01, 4096, dtype=np.float32))
    without_light = replace(without_light, pixels=without_light.pixels.reshape(64, 64))
    prediction = toy.read([blank, without_light, young()])
    assert prediction.aside is not None
    assert prediction.image_index == 2
    assert toy.read([blank, without_light]).aside is None


def test_two_ages_in_one_study_are_nobodys_age(toy: Model) -> None:
    prediction = toy.read([young(), drawn(CHEQUERS, PatientAge="060Y")])
    assert codes(prediction) == ["under_minimum_age", "chequered"]
    assert prediction.aside is None


def test_an_image_of_the_study_that_can_be_read_leaves_no_aside(toy: Model) -> None:
    prediction = toy.read([young(), drawn(MIDDLE, PatientAge=None)])
    assert (prediction.status, prediction.aside) == ("ok", None)


@dataclass
class Damaged:
    """A file whose header can be read and whose pixels cannot."""

    facts: DicomFacts | None

    def opened(self) -> AbstractContextManager[Image]:
        raise PixelError("The pixel data must be whole; they are cut short.")


def test_damaged_pixels_of_a_child_are_still_refused_for_its_age(toy: Model) -> None:
    prediction = toy.read([Damaged(young().facts)])
    assert codes(prediction) == ["under_minimum_age"]
    assert prediction.aside is None


def test_what_the_gate_noticed_stands_with_the_aside(toy: Model) -> None:
    aside = toy.read([young(ViewPosition=None)]).aside
    assert aside is not None
    assert [caution.code for caution in aside.cautions] == ["view_unknown", "toy"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TOY_MODELS[0] / NAME, tmp_path / NAME))


@pytest.mark.parametrize("target", ["bright", "Bright image"])
def test_an_aside_that_speaks_of_the_target_is_refused(copied: Path, target: str) -> None:
    text = (copied / "aside.py").read_text()
    (copied / "aside.py").write_text(text.replace('"Full": share', f'"{target}": share'))
    model = registry.load_model(NAME, search=(copied.parent,))
    with pytest.raises(ModelRefused, match="aside must not give a probability of the model's"):
        model.read([young()])


def test_ages_for_an_aside_that_is_not_there_are_refused(copied: Path) -> None:
    (copied / "aside.py").unlink()
    with pytest.raises(ModelRefused, match=r"must have an aside\.py"):
        registry.load_model(NAME, search=(copied.parent,))


IDENTITY = ModelIdentity("toy", "Toy", "1", "0" * 64, "1", "onnx")
ASIDE = Aside("a", "A", {"x": 1.0})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "cannot_read", "probability": 0.5, "aside": ASIDE}, "no number"),
        ({"status": "cannot_read", "likelihood_ratio": 2.0}, "no number"),
        ({"status": "ok", "probability": 0.5, "positive": True, "aside": ASIDE}, "no number"),
        ({"status": "ok", "positive": False, "extent": Extent(1, "limited", ())}, "positive"),
        ({"status": "cannot_read", "extent": Extent(1, "limited", ())}, "positive"),
    ],
)
def test_no_prediction_says_two_things_at_once(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prediction(model=IDENTITY, **fields)  # type: ignore[arg-type]
