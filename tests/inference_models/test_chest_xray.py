"""The chest X-ray model as it is served."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.golden import phantom
from inference.images import DicomFacts, Image, read_image
from inference.model import Model
from inference.model_folder import Prepared, Refusal
from inference.models.chest_xray import lung_box, prepare
from inference.models.chest_xray.facts import FACTS
from inference.registry import load_model, model_folder

FOLDER = model_folder("chest_xray")
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("chest_xray", threads=1)  # checks hashes and golden answers


def picture(pixels: np.ndarray) -> Image:
    return dataclasses.replace(phantom(1), pixels=pixels.astype(np.float32))


def shared_rows(source: str, count: int) -> list[dict[str, str]]:
    with (SHARED / "cxr.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == source and row["fold"] == "4"]
    return random.Random(7).sample(rows, count)


def test_a_drawn_chest_is_read_with_probabilities_and_a_map_on_the_lungs(model: Model) -> None:
    prediction = model.read([phantom(1)])
    assert prediction.status == "ok"
    assert sum(prediction.classes.values()) == pytest.approx(1, abs=1e-4)
    assert prediction.probability == prediction.classes["covid"]
    assert prediction.heat_map is not None
    assert prediction.heat_map.shape == (5, 5)
    assert 0 <= prediction.heat_map.min() <= prediction.heat_map.max() <= 1
    top, left, bottom, right = prediction.heat_map_box
    # The phantom's lungs lie between 17 and 77 % of the height, 18 and 82 % of the width.
    assert top == pytest.approx(0.17, abs=0.08)
    assert bottom == pytest.approx(0.77, abs=0.08)
    assert left == pytest.approx(0.18, abs=0.08)
    assert right == pytest.approx(0.82, abs=0.08)


def test_the_map_is_of_the_class_whose_probability_is_told(model: Model) -> None:
    """The log-odds are a concave function of the logits, whose mean is the image's (Jensen)."""
    for seed in range(1, 6):
        prepared = model.prepare(phantom(seed))
        assert isinstance(prepared, Prepared)
        chances, activation = model.networks["classifier"].run(prepared.array)
        odds = np.log(chances[0, 0] / (1 - chances[0, 0]))
        assert activation.mean() - 1e-3 <= odds <= activation.max()


def test_the_answer_does_not_change_with_grey_scale_letters_or_resolution(model: Model) -> None:
    plain = phantom(2).pixels
    letters = np.zeros(plain.shape, np.uint8)
    cv2.putText(letters, "L  AP", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 4)
    marked = np.maximum(plain, letters / np.float32(255))
    framed = np.pad(plain * 0.5 + 0.2, 40)
    larger = cv2.resize(plain, (1400, 1400), interpolation=cv2.INTER_CUBIC)
    expected = model.read([picture(plain)]).probability
    for changed in (marked, framed, larger):
        got = model.read([picture(changed)]).probability
        assert got == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("name", ["blank", "noise", "ramp", "hand"])
def test_a_picture_without_lungs_gets_a_reason_and_no_number(model: Model, name: str) -> None:
    prediction = model.read([picture(NO_CHEST[name])])
    assert prediction.status == "cannot_read"
    assert prediction.probability is None
    assert prediction.reasons
    assert prediction.reasons[0].code in {"blank_image", "no_lungs", "lungs_uncertain"}


def hand() -> np.ndarray:
    """A palm and five fingers of bright bones on black."""
    drawn = np.full((512, 512), 0.05, np.float32)
    cv2.ellipse(drawn, (256, 400), (110, 100), 0, 0, 360, 0.35, -1)
    for tip, foot in zip(range(60, 460, 90), range(170, 350, 40), strict=False):
        for width, grey in ((34, 0.35), (14, 0.85)):
            cv2.line(drawn, (foot, 380), (tip, 120), grey, width)
    return drawn


NO_CHEST = {
    "blank": np.zeros((512, 512)),
    "noise": np.random.default_rng(1).random((512, 512)),
    "ramp": np.tile(np.linspace(0, 1, 512), (512, 1)),
    "hand": hand(),
}


def test_a_blank_picture_is_refused_by_prepare_itself(model: Model) -> None:
    refusal = model.prepare(picture(np.full((400, 300), 0.5)))
    assert isinstance(refusal, Refusal)
    assert refusal.reasons[0].code == "no_contrast"


def test_a_child_is_refused_and_an_unknown_age_is_said(model: Model) -> None:
    header = DicomFacts(modality="DX", body_part="CHEST", view_position="PA")
    child = dataclasses.replace(header, patient_age_years=9.0)
    image = dataclasses.replace(phantom(1), source="dicom", facts=child)
    assert model.read([image]).status == "cannot_read"
    unknown = model.read([dataclasses.replace(image, facts=header)])
    assert unknown.status == "ok"
    assert "age_unknown" in {caution.code for caution in unknown.cautions}


def test_flat_borders_are_cut_and_a_picture_is_never_cut_to_nothing() -> None:
    framed = np.pad(phantom(1).pixels[100:400, 100:400], 30)
    top, left, bottom, right = lung_box.trimmed(framed)
    assert (top, left) == (30, 30)
    assert (bottom, right) == (330, 330)
    top, left, bottom, right = lung_box.trimmed(np.zeros((50, 50), np.float32))
    assert bottom - top >= 25
    assert right - left >= 25


def test_outside_the_hull_the_classifier_sees_flat_grey() -> None:
    hull = np.zeros((prepare.INPUT_SIDE,) * 2, np.uint8)
    hull[60:100, 60:100] = 255
    noise = np.random.default_rng(0).integers(0, 256, hull.shape, dtype=np.uint8)
    shown = prepare.compose(prepare.Crop(noise, hull))
    np.testing.assert_allclose(shown[:50], prepare.GREY, atol=0.01)
    assert shown[65:95, 65:95].std() > 0.05


def test_what_clinicians_are_told_is_what_training_measured() -> None:
    trained = json.loads((FOLDER / "trained.json").read_text("utf-8"))
    figures = json.loads((FOLDER / "figures.json").read_text("utf-8"))
    point = FACTS.operating_point
    assert point.threshold == trained["operating_point"]["threshold"]
    assert point.sensitivity is not None
    assert point.sensitivity.value == figures["held_out"]["adults"]["sensitivity"]["value"]
    assert point.specificity is not None
    assert point.specificity.low == figures["held_out"]["adults"]["specificity"]["low"]
    assert FACTS.reference_prevalence == trained["operating_point"]["prevalence"]
    assert any("does not exclude it" in sentence for sentence in FACTS.limits)
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    assert f"{point.threshold:.3f}" in card
    assert f"{point.sensitivity.value:.2f}" in card


def test_the_weights_fit_the_repository() -> None:
    sizes = [(FOLDER / network.file).stat().st_size for network in FACTS.networks.values()]
    assert sum(sizes) < 25_000_000


@needs_shared
@pytest.mark.parametrize("source", ["ieee8023", "armiro", "nih", "rsna_normal", "kermany"])
def test_lungs_are_found_in_images_that_did_not_train(model: Model, source: str) -> None:
    for row in shared_rows(source, 6):
        image = read_image(SHARED / row["path"])
        prepared = model.prepare(image)
        assert isinstance(prepared, Prepared), row["path"]
        top, left, bottom, right = prepared.box
        assert bottom - top > 0.3
        assert right - left > 0.3


@needs_shared
def test_the_kept_predictions_are_what_serving_answers(model: Model) -> None:
    """Training and serving must agree on real images, file reading included."""
    with (FOLDER / "predictions.csv").open(newline="", encoding="utf-8") as file:
        kept = [row for row in csv.DictReader(file) if row["part"] == "held_out"]
    for row in random.Random(3).sample(kept, 12):
        prepared = model.prepare(read_image(SHARED / row["path"]))
        assert isinstance(prepared, Prepared)
        got = model.classify(prepared).classes
        for name in got:
            assert got[name] == pytest.approx(float(row[name]), abs=0.005), row["path"]


@needs_shared
@pytest.mark.slow
def test_covid_images_of_the_article_score_higher_than_its_others(model: Model) -> None:
    scores: dict[bool, list[float]] = {True: [], False: []}
    for path in sorted((SHARED / "article" / "test").glob("*/*.jpg")):
        probability = model.read([read_image(path)]).probability
        assert probability is not None, path.name
        scores[path.parent.name == "covid"].append(probability)
    assert np.median(scores[True]) > np.median(scores[False])


@needs_shared
def test_radiographs_of_hip_and_limb_have_no_lungs(model: Model) -> None:
    for name in ("pylibjpeg-data__RG2_JLSN.dcm", "pylibjpeg-data__RG3_J2KR.dcm"):
        assert isinstance(model.prepare(read_image(SHARED / "dicom" / name)), Refusal)
