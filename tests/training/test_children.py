"""The children's network: one source, its own folds, a calibrated answer of two."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.models.chest_xray import prepare
from inference.runtimes import open_network
from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.children import (
    CLASSES,
    ChildrenFit,
    bacterial_share,
    both_ways,
    export_children,
    fit_children,
    fit_temperature,
)
from training.chest_xray.children_figures import tables
from training.chest_xray.children_settings import ChildrenSettings
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import read_imagenet
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row
from training.errors import ExportError
from training.half_weights import halve_weights

pytestmark = pytest.mark.training

OWN = ChildrenSettings(
    source="kermany", epochs=2, batch=8, learning_rate=1e-3, warm_up_steps=1, weight_decay=1e-4,
    label_smoothing=0.1, degraded=0.1, averaging=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> Settings:
    found = load_settings(MODEL_FOLDER / "training.toml")
    report = dataclasses.replace(found.report, bootstrap=50)
    return dataclasses.replace(found, report=report, children=OWN)


def child(
    number: int, finding: str, source: str = "kermany", *, article_overlap: bool = False
) -> Row:
    label = "normal" if finding == "normal" else "pneumonia_other"
    name, fold = f"{source}-{finding}-{number}", number % 5
    return Row(name, source, label, name, fold, True, article_overlap, "", "", finding=finding)


def drawn(rows: tuple[Row, ...]) -> Crops:
    """Lung boxes that are bright above in bacterial, below in viral pneumonia."""
    side = prepare.INPUT_SIDE
    ramp = np.tile(np.linspace(225, 25, side)[:, None], (1, side))
    rng = np.random.default_rng(8)
    hull = np.zeros((side, side), np.uint8)
    cv2.ellipse(hull, (side // 2, side // 2), (side // 2, side // 2), 0, 0, 360, 255, -1)
    plain = [ramp if row.finding == "bacterial" else ramp[::-1] for row in rows]
    noisy = [np.clip(values + rng.normal(0, 20, ramp.shape), 0, 255) for values in plain]
    shape = (len(rows), side, side)
    equalised = np.array(noisy, np.uint8).reshape(shape)
    hulls = np.broadcast_to(hull, shape)
    return Crops(equalised, hulls, (hulls > 0).astype(np.uint8), rows, ())


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    both = tuple(child(number, finding) for number in range(40) for finding in CLASSES)
    foreign = tuple(child(number, "bacterial", "ieee8023") for number in range(5))
    healthy = tuple(child(number, "normal") for number in range(5))
    shared = tuple(child(number, "viral", article_overlap=True) for number in range(40, 44))
    return both + foreign + healthy + shared


@pytest.fixture(scope="module")
def found(
    rows: tuple[Row, ...], settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> ChildrenFit:
    work = tmp_path_factory.mktemp("work")
    fitted = fit_children(drawn(rows), settings, read_imagenet(), work)
    assert fitted is not None
    return fitted


def test_what_the_pictures_show_is_learnt_and_judged_on_other_folds(found: ChildrenFit) -> None:
    for part in ("choices", "held_out"):
        assert found.figures[part]["auc"]["value"] > 0.9
        assert found.figures[part]["auc"]["images"] == 16
        assert found.figures[part]["right_class"]["groups"] == 16
    assert found.figures["training_images"] == {"bacterial": 24, "viral": 24}
    assert found.trained()["auc"] == found.figures["held_out"]["auc"]
    card = "\n".join(tables(found.figures))
    assert "one hospital" in card
    assert "withholding antibiotics" in card


def test_the_exported_network_answers_like_the_trained_one_and_is_small(
    found: ChildrenFit, rows: tuple[Row, ...], settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "children.onnx"
    sha256 = export_children(found, path, settings)
    assert len(sha256) == 64
    assert path.stat().st_size < 8_000_000
    crops = drawn(rows[:6])
    told = open_network(path.read_bytes(), "onnx", 1).run(crops.composed())[0]
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-5)
    plain = bacterial_share(both_ways(found.model, crops)[:1], found.temperature)
    np.testing.assert_allclose(told[:, 0], plain, atol=0.01)


def test_without_both_diseases_in_every_part_there_is_no_network(
    rows: tuple[Row, ...], settings: Settings, tmp_path: Path
) -> None:
    for missing in (settings.folds.choices, settings.folds.held_out):
        fewer = tuple(r for r in rows if (r.fold, r.finding) != (missing, "viral"))
        assert fit_children(drawn(fewer), settings, None, tmp_path) is None
    assert fit_children(drawn(rows[-10:]), settings, None, tmp_path) is None
    assert "no network" in tables(None)[0]


def test_the_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(2)
    rows = tuple(child(number, CLASSES[number % 2]) for number in range(400))
    sign = np.where(np.arange(400) % 2 == 0, 1.0, -1.0)
    odds = 0.5 * sign + rng.normal(0, 1, 400)
    logits = np.stack([np.stack([odds, np.zeros(400)], axis=1)] * 2).astype(np.float32)
    calm, loud = fit_temperature(logits, rows), fit_temperature(4 * logits, rows)
    assert loud == pytest.approx(4 * calm, rel=0.05)
    share = bacterial_share(4 * logits, loud)
    np.testing.assert_allclose(share, bacterial_share(logits, calm), atol=0.02)
    confident = share > 0.6
    assert share[confident].mean() == pytest.approx((sign[confident] > 0).mean(), abs=0.1)


def convolution(path: Path, weights: np.ndarray) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    shape = ("batch", 64, 1, 1)
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy"]
    stored = numpy_helper.from_array(weights.astype(np.float32)[:, :, None, None], "w")
    graph = helper.make_graph([node], "convolution", values[:1], values[1:], [stored])
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )


def test_half_the_weights_are_half_the_file_and_nearly_the_same_answer(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path, probe = tmp_path / "one.onnx", rng.normal(size=(2, 64, 1, 1)).astype(np.float32)
    weights = rng.normal(size=(64, 64))
    convolution(path, weights)
    size = path.stat().st_size
    halve_weights(path, probe, tolerance=0.05)
    assert path.stat().st_size < 0.55 * size
    told = open_network(path.read_bytes(), "onnx", 1).run(probe)[0]
    np.testing.assert_allclose(told[:, :, 0, 0], probe[:, :, 0, 0] @ weights.T, atol=0.05)
    assert onnx.load(path).graph.input[0].name == "x"


@pytest.mark.parametrize(("factor", "tolerance", "words"), [(1e6, 1.0, "halved"), (1, 0, "same")])
def test_weights_that_half_precision_would_change_are_refused(
    tmp_path: Path, factor: float, tolerance: float, words: str
) -> None:
    rng = np.random.default_rng(4)
    path = tmp_path / "one.onnx"
    convolution(path, factor * rng.normal(size=(64, 64)))
    before = path.read_bytes()
    with pytest.raises(ExportError, match=words):
        halve_weights(path, rng.normal(size=(2, 64, 1, 1)).astype(np.float32), tolerance)
    assert path.read_bytes() == before
