"""Networks, weights and the training loop, in Keras."""

from __future__ import annotations

import dataclasses
import io
import pickle
from pathlib import Path

import cv2
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from inference.models.chest_xray import lung_box, network, prepare
from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.calibration import log_odds
from training.chest_xray.classifier import (
    GradientReversal,
    allowed_cross_entropy,
    features_of,
    predicted,
    refit_head,
    train_classifier,
)
from training.chest_xray.crops import Crops
from training.chest_xray.drawing import draw_weights
from training.chest_xray.imagenet import load_into, packaged_file, read_imagenet
from training.chest_xray.keras_networks import load_networks
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row
from training.errors import ExportError, TableError, WeightsError
from training.export import export_onnx
from training.fitting import Checkpoint
from training.torch_weights import check_sha256, read_state

pytestmark = [pytest.mark.training, pytest.mark.slow]


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    return load_settings(folder / "training.toml")


@pytest.fixture(scope="module")
def crops() -> Crops:
    side, rng = prepare.INPUT_SIDE, np.random.default_rng(2)
    cells = [("ieee8023", "covid"), ("nih", "normal"), ("nih", "pneumonia_other")] * 4
    rows = tuple(
        Row(f"{i}.png", source, label, f"g{i}", 0, False, False, "", "")
        for i, (source, label) in enumerate(cells)
    )
    pictures = rng.integers(0, 256, (len(rows), side, side), dtype=np.uint8)
    hull = np.full_like(pictures, 255)
    return Crops(pictures, hull, hull, rows, ())


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(
    crops: Crops, settings: Settings, tmp_path: Path
) -> None:
    mitigation = dataclasses.replace(settings.mitigation, averaging=0.9)
    settings = dataclasses.replace(settings, mitigation=mitigation)
    whole = train_classifier(crops, settings, None, tmp_path / "whole.npz")
    saved: list[int] = []

    class CutOff(Checkpoint):
        def save(self, model: keras.Model, epoch: int) -> None:
            super().save(model, epoch)
            saved.append(epoch)
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.chest_xray.classifier.Checkpoint", CutOff)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(crops, settings, None, tmp_path / "cut.npz")
    assert saved == [1]
    resumed = train_classifier(crops, settings, None, tmp_path / "cut.npz")
    inputs = crops.composed()
    np.testing.assert_allclose(predicted(resumed, inputs), predicted(whole, inputs), atol=1e-3)


def test_the_exported_network_gives_what_keras_gave(tmp_path: Path) -> None:
    trained = network.classifier(prepare.INPUT_SIDE, 3, 0.0)
    scale = network.TargetScale(0, slope=0.5, intercept=-0.3, prior=-0.8)
    served = network.served_classifier(trained, scale)
    shape = (2, prepare.INPUT_SIDE, prepare.INPUT_SIDE, 1)
    inputs = np.random.default_rng(1).random(shape, np.float32)
    export_onnx(served, tmp_path / "served.onnx", inputs)  # raises where they differ
    session = onnxruntime.InferenceSession(str(tmp_path / "served.onnx"))
    chances, activation = session.run(None, {"image": inputs})
    logits = predicted(trained, inputs).astype(np.float64)
    wanted = 1 / (1 + np.exp(-(0.5 * log_odds(logits, 0) - 0.3)))
    np.testing.assert_allclose(chances[:, 0], wanted, atol=1e-4)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        np.log(chances[:, 1] / chances[:, 2]), logits[:, 1] - logits[:, 2], atol=1e-3
    )
    assert activation.ndim == 3


def test_an_export_that_differs_from_keras_is_refused(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Flatten(name="flat")(image))
    probe = np.full((1, 4, 4, 1), np.nan, np.float32)
    with pytest.raises(ExportError, match=r"within 0\.001"):
        export_onnx(model, tmp_path / "x.onnx", probe)


def test_a_cell_that_says_as_much_as_the_prevalence_is_drawn_as_nothing() -> None:
    scale = network.TargetScale(0, slope=1.0, intercept=0.0, prior=-np.log(2))
    equal = np.zeros((1, 2, 2, 3), np.float32)  # one in three
    found = network.LikelihoodRatio(scale)(equal)
    np.testing.assert_allclose(np.asarray(found), 0, atol=1e-6)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "EfficientNetB0"])
def test_any_network_of_keras_applications_is_one_line_in_the_settings(name: str) -> None:
    model = network.classifier(64, 3, 0.0, name)
    inputs = np.random.default_rng(3).random((2, 64, 64, 1), np.float32)
    assert predicted(model, inputs).shape == (2, 3)
    scale = network.TargetScale(0, slope=1.0, intercept=0.0, prior=0.0)
    chances, activation = network.served_classifier(model, scale).predict(inputs, verbose=0)
    assert chances.shape == (2, 3)
    assert activation.shape == (2, 2, 2)


def test_a_backbone_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of keras\.applications; got 'Nothing'"):
        network.backbone(64, "Nothing")


def test_a_row_that_may_be_two_classes_is_right_with_either() -> None:
    logits = tf.constant([[2.0, -1.0, 0.5]])
    chances = np.exp([2.0, -1.0, 0.5]) / np.exp([2.0, -1.0, 0.5]).sum()

    def loss(wanted: list[float], smoothing: float = 0.0) -> float:
        return float(allowed_cross_entropy(tf.constant([wanted]), logits, 3, smoothing)[0])

    assert loss([1.0, 0, 0, 1, 1, 1]) == pytest.approx(-np.log(chances[0]), abs=1e-5)
    assert loss([1.0, 0, 1, 1, 1, 1]) == pytest.approx(-np.log(1 - chances[1]), abs=1e-5)
    rest = chances[2] / (chances[1] + chances[2])
    assert loss([0.0, 0, 1, 0, 1, 1]) == pytest.approx(-np.log(rest), abs=1e-5)
    spread = -np.log(chances).mean()
    mixed = 0.9 * -np.log(chances[0]) + 0.1 * spread
    assert loss([1.0, 0, 0, 1, 1, 1], 0.1) == pytest.approx(mixed, abs=1e-5)


def test_the_head_becomes_a_penalised_regression_on_the_features_of_adults(
    crops: Crops, settings: Settings
) -> None:
    own = dataclasses.replace(settings.classifier, head_refit=0.01)
    settings = dataclasses.replace(settings, classifier=own)
    model = network.classifier(prepare.INPUT_SIDE, 3, 0.0)
    child = dataclasses.replace(crops.rows[0], child=True)
    with_child = dataclasses.replace(crops, rows=(child, *crops.rows[1:]))
    refit_head(model, with_child, settings)
    features = features_of(model, crops.composed())
    rows, adults = crops.rows[1:], features[1:]
    scaled = (features - adults.mean(axis=0)) / np.maximum(adults.std(axis=0), 0.02)
    expected = LogisticRegression(C=0.01, max_iter=2000)
    expected.fit(
        scaled[1:],
        [settings.classes.index(row.label) for row in rows],
        sample_weight=draw_weights(rows, settings) * len(rows),
    )
    wanted = expected.decision_function(scaled)
    assert np.abs(model.get_layer(network.HEAD).get_weights()[0]).max() < 100
    np.testing.assert_allclose(predicted(model, crops.composed()), wanted, atol=1e-3)


def test_a_head_without_a_class_is_refused(crops: Crops, settings: Settings) -> None:
    model = network.classifier(prepare.INPUT_SIDE, 3, 0.0)
    sick = crops.of(tuple(row for row in crops.rows if row.label == "covid"))
    with pytest.raises(TableError, match="a class is missing"):
        refit_head(model, sick, settings)


def test_the_adversary_gets_the_gradient_and_the_features_its_reverse() -> None:
    layer, x = GradientReversal(0.5), tf.constant([[2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert float(y[0, 0]) == 2
    assert float(tape.gradient(y, x)[0, 0]) == -0.5


def test_imagenet_weights_fill_every_layer_and_still_know_a_flower() -> None:
    state = read_imagenet()
    model = network.classifier(224, 1000, 0.0)
    load_into(model, state)
    model.get_layer(network.HEAD).set_weights([state["_fc.weight"].T, state["_fc.bias"]])
    flower = datasets.load_sample_image("flower.jpg")[:, 106:533]
    small = cv2.resize(flower, (224, 224), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    daisy = 985  # ImageNet's number of the class
    assert int(predicted(model, grey[None, :, :, None]).argmax()) == daisy


def test_weights_with_a_tensor_too_many_are_refused() -> None:
    state = read_imagenet() | {"extra.weight": np.zeros(1, np.float32)}
    with pytest.raises(WeightsError, match=r"extra\.weight"):
        load_into(network.backbone(32), state)


def test_a_weights_file_that_names_code_is_refused_without_running_it(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("ran",))

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(WeightsError, match=r"may name tensors only; got .*print"):
        read_state(path)


def test_a_weights_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes(packaged_file().read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="ends early"):
        read_state(path)


def test_another_file_than_the_expected_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(io.BytesIO(b"other").getvalue())
    with pytest.raises(WeightsError, match="must have SHA-256"):
        check_sha256(path, "0" * 64)


def test_keras_networks_rebuilt_from_the_served_weights_give_the_served_answers() -> None:
    networks = load_networks(MODEL_FOLDER)
    weights = {"lungs": "lung_finder.onnx", "classifier": "classifier.onnx"}
    for role, name in weights.items():
        session = onnxruntime.InferenceSession(str(MODEL_FOLDER / "weights" / name))
        shape = (2, *networks[role].input_shape[1:])
        inputs = np.random.default_rng(5).random(shape, np.float32)
        got = networks[role].predict(inputs, verbose=0)
        wanted = session.run(None, {"image": inputs})
        for mine, theirs in zip(got if isinstance(got, list) else [got], wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-3)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "training.toml").write_bytes((MODEL_FOLDER / "training.toml").read_bytes())
    classifier = (MODEL_FOLDER / "weights" / "classifier.onnx").read_bytes()
    (tmp_path / "weights" / "lung_finder.onnx").write_bytes(classifier)
    with pytest.raises(WeightsError, match="15 convolutions; it holds 49"):
        load_networks(tmp_path)


def test_the_same_weights_exported_twice_give_the_same_file(tmp_path: Path) -> None:
    networks = load_networks(MODEL_FOLDER)
    side = lung_box.FINDER_SIDE
    probe = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    first = export_onnx(networks["lungs"], tmp_path / "a.onnx", probe)
    again = export_onnx(load_networks(MODEL_FOLDER)["lungs"], tmp_path / "b.onnx", probe)
    assert first == again
