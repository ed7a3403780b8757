"""The gates of the chest X-ray model: how a picture lies, and whether it is like the training's."""

from __future__ import annotations

import csv
import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from inference.golden import phantom
from inference.images import Image, read_image
from inference.model import Model, interpret_outputs
from inference.model_folder import Prepared, Refusal
from inference.models.chest_xray.facts import FACTS
from inference.models.chest_xray.interpret import interpret, unlike_training
from inference.models.chest_xray.orientation import (
    FAULTS,
    ORIENTATION_SIDE,
    Fault,
    find_fault,
    orientation_input,
    righted,
)
from inference.registry import load_model, model_folder

FOLDER = model_folder("chest_xray")
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
# What is done to a proper picture, and the code that it must be refused with.
WRONG = {
    "turned_left": (lambda pixels: np.rot90(pixels, 1), "looks_turned"),
    "upside_down": (lambda pixels: np.rot90(pixels, 2), "looks_turned"),
    "turned_right": (lambda pixels: np.rot90(pixels, 3), "looks_turned"),
    "mirrored": (lambda pixels: pixels[:, ::-1], "looks_mirrored"),
    "inverted": (lambda pixels: 1 - pixels, "looks_inverted"),
}


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("chest_xray", threads=1)


@dataclasses.dataclass(frozen=True)
class Answering:
    """A network that gives one answer to everything."""

    answer: tuple[float, ...]
    runtime: str = "answering"

    def run(self, array: np.ndarray) -> tuple[np.ndarray, ...]:
        assert array.shape == (1, ORIENTATION_SIDE, ORIENTATION_SIDE, 1)
        return (np.array([self.answer], np.float32),)


def picture(pixels: np.ndarray) -> Image:
    return dataclasses.replace(
        phantom(1), pixels=np.ascontiguousarray(pixels, np.float32), facts=None
    )


def shared_pictures(source: str, count: int) -> list[np.ndarray]:
    """Images of the fold for choices: the thresholds come from it, the weights do not."""
    with (SHARED / "cxr.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == source and row["fold"] == "3"]
    chosen = random.Random(5).sample(rows, count)
    return [read_image(SHARED / row["path"]).pixels for row in chosen]


def fault(key: str) -> Fault:
    return next(one for one in FAULTS if one.key == key)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((-1, -1, -1, -1, -1), None),
        ((2, -1, -1, -1, -1), "turned_left"),
        ((2, 3, -1, -1, -1), "upside_down"),
        ((-1, -1, 0.1, 9, -1), "turned_right"),
        ((-1, -1, -1, 0.1, -1), "mirrored"),
        ((5, -1, -1, 5, 0.1), "inverted"),
    ],
)
def test_of_several_faults_the_one_is_told_that_the_others_hang_on(
    answer: tuple[float, ...], expected: str | None
) -> None:
    found = find_fault(phantom(1).pixels, Answering(answer))
    assert (found and found.key) == expected


@pytest.mark.parametrize("key", list(WRONG))
def test_a_fault_is_undone_exactly(key: str) -> None:
    pixels = np.random.default_rng(3).random((40, 30)).astype(np.float32)
    np.testing.assert_allclose(righted(WRONG[key][0](pixels), fault(key)), pixels, atol=1e-6)


def test_what_the_network_is_shown_does_not_hang_on_brightness_and_size() -> None:
    pixels = phantom(2).pixels
    shown = orientation_input(pixels)
    assert shown.shape == (1, ORIENTATION_SIDE, ORIENTATION_SIDE, 1)
    assert (shown.min(), shown.max()) == (0, 1)
    np.testing.assert_allclose(orientation_input(pixels * 0.4 + 0.3), shown, atol=1e-3)
    np.testing.assert_allclose(orientation_input(np.full((50, 60), 0.5, np.float32)), 0)


def test_a_proper_drawn_chest_is_read(model: Model) -> None:
    for seed in range(1, 9):
        assert isinstance(model.prepare(phantom(seed)), Prepared)


@pytest.mark.parametrize("key", [key for key in WRONG if key != "mirrored"])
def test_a_drawn_chest_that_lies_wrong_is_refused(model: Model, key: str) -> None:
    for seed in range(1, 6):
        prediction = model.read([picture(WRONG[key][0](phantom(seed).pixels))])
        assert prediction.status == "cannot_read"
        assert prediction.probability is None


def test_a_limb_is_not_called_a_turned_chest(model: Model) -> None:
    """The orientation network sees chests everywhere; the lung finder does not."""
    pixels = np.full((512, 512), 0.05, np.float32)
    pixels[40:470, 200:310], pixels[60:450, 225:285] = 0.4, 0.9
    answer = model.prepare(picture(pixels))
    assert isinstance(answer, Refusal)
    assert {reason.code for reason in answer.reasons} <= {"no_lungs", "lungs_uncertain"}


@needs_shared
@pytest.mark.parametrize("key", [key for key in WRONG if key != "mirrored"])
def test_a_real_chest_that_lies_wrong_is_refused_for_that(model: Model, key: str) -> None:
    change, code = WRONG[key]
    wrong = []
    for source in ("ieee8023", "nih", "rsna_normal"):
        for pixels in shared_pictures(source, 4):
            answer = model.prepare(picture(change(pixels)))
            assert isinstance(answer, Refusal)
            wrong.append(answer.reasons[0].code == code)
    assert np.mean(wrong) >= 0.75  # the others are refused because no lungs are found


@needs_shared
def test_most_mirrored_chests_are_refused_and_hardly_a_proper_one(model: Model) -> None:
    proper, mirrored = [], []
    for source in ("ieee8023", "armiro", "nih", "rsna_normal"):
        for pixels in shared_pictures(source, 6):
            answer = model.prepare(picture(pixels[:, ::-1]))
            mirrored.append(isinstance(answer, Refusal))
            proper.append(isinstance(model.prepare(picture(pixels)), Refusal))
    assert np.mean(proper) <= 1 / 24
    assert np.mean(mirrored) >= 0.5


def outputs(distance: float | None) -> tuple[np.ndarray, ...]:
    chances = np.full((1, len(FACTS.classes)), 1 / len(FACTS.classes), np.float32)
    plain = (chances, np.ones((1, 4, 4), np.float32))
    return plain if distance is None else (*plain, np.array([[distance]], np.float32))


@pytest.mark.parametrize(("distance", "refused"), [(0.39, False), (0.41, True), (None, False)])
def test_an_image_beyond_the_threshold_is_unlike_the_training(
    distance: float | None, refused: bool
) -> None:
    reasons = unlike_training(outputs(distance), {"method": "knn", "threshold": 0.4})
    assert [reason.code for reason in reasons] == (["unlike_training"] if refused else [])


def test_weights_that_came_without_a_threshold_refuse_nothing() -> None:
    assert unlike_training(outputs(1e9), None) == ()


def test_probabilities_and_map_are_those_of_every_model() -> None:
    shown = Prepared(np.zeros((1, *FACTS.input_shape), np.float32))
    own, generic = interpret(shown, outputs(None)), interpret_outputs(FACTS, outputs(None))
    assert own.classes == generic.classes
    assert own.heat_map is not None
    np.testing.assert_array_equal(own.heat_map, generic.heat_map)
