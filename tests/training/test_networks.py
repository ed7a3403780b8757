"""Networks, weights and the training loop, in Keras."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import cv2
import keras
import numpy as np
import onnxruntime
import pytest
from sklearn import datasets

from inference.models.chest_xray import network, prepare
from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.classifier import predicted, train_classifier
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import load_into, packaged_file, read_imagenet
from training.chest_xray.keras_networks import load_networks
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row
from training.errors import ExportError, WeightsError
from training.export import export_onnx
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
    def cut(_model: object, epoch: int, _loss: float) -> None:
        if epoch == 0:
            raise KeyboardInterrupt

    whole = train_classifier(crops, settings, None, tmp_path / "whole.npz", 2)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(crops, settings, None, tmp_path / "cut.npz", 2, cut)
    resumed = train_classifier(crops, settings, None, tmp_path / "cut.npz", 2)
    inputs = crops.composed()
    np.testing.assert_allclose(predicted(resumed, inputs), predicted(whole, inputs), atol=1e-3)


def test_the_exported_network_gives_what_keras_gave(tmp_path: Path) -> None:
    trained = network.classifier(prepare.INPUT_SIDE, 3, 0.0)
    served = network.served_classifier(trained, 0, temperature=2.0)
    shape = (2, prepare.INPUT_SIDE, prepare.INPUT_SIDE, 1)
    inputs = np.random.default_rng(1).random(shape, np.float32)
    export_onnx(served, tmp_path / "served.onnx", inputs)  # raises where they differ
    session = onnxruntime.InferenceSession(str(tmp_path / "served.onnx"))
    chances, activation = session.run(None, {"image": inputs})
    logits = predicted(trained, inputs) / 2.0
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, expected, atol=1e-4)
    assert activation.shape == (2, 5, 5)


def test_an_export_that_differs_from_keras_is_refused(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Flatten(name="flat")(image))
    probe = np.full((1, 4, 4, 1), np.nan, np.float32)
    with pytest.raises(ExportError, match=r"within 0\.001"):
        export_onnx(model, tmp_path / "x.onnx", probe)


def test_the_log_odds_of_equal_logits_over_three_classes_are_minus_log_two() -> None:
    found = network.LogOdds(0)(np.zeros((1, 2, 2, 3), np.float32))
    np.testing.assert_allclose(np.asarray(found), -np.log(2), rtol=1e-5)


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
    side = prepare.FINDER_SIDE
    probe = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    first = export_onnx(networks["lungs"], tmp_path / "a.onnx", probe)
    again = export_onnx(load_networks(MODEL_FOLDER)["lungs"], tmp_path / "b.onnx", probe)
    assert first == again
