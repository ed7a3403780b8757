"""The gates as training fits and judges them, on small made-up data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from sklearn.neighbors import NearestNeighbors

from inference.golden import phantom
from inference.models.chest_xray import prepare
from inference.models.chest_xray.orientation import FAULTS, ORIENTATION_SIDE, orientation_input
from inference.registry import load_model
from training.chest_xray import novelty, occlusion, refusals
from training.chest_xray.crops import Crops
from training.chest_xray.gate_settings import (
    NoveltySettings,
    OcclusionSettings,
    OrientationSettings,
)
from training.chest_xray.novelty import METHODS, LeftOut, fit_distance, fit_novelty
from training.chest_xray.orientation import build, train_orientation
from training.chest_xray.orientation_figures import (
    above_thresholds,
    answers,
    choose_thresholds,
    orientation_figures,
)
from training.chest_xray.orientation_pictures import MADE, Pictures, faulty
from training.chest_xray.outside_lungs import outside_figures
from training.chest_xray.positives import called_positive
from training.chest_xray.protocol import Fitting
from training.chest_xray.strangers import as_picture, projection, shown_by_force, strangers
from training.chest_xray.table import Row
from training.errors import TableError
from training.export import export_onnx

pytestmark = [pytest.mark.training, pytest.mark.slow]
OWN = NoveltySettings(components=8, neighbours=3, refused=0.02)


def row(number: int, source: str = "nih", label: str = "normal", **changes: object) -> Row:
    plain = Row(
        f"{source}{number}.png", source, label, f"g{number}", number % 4, False, False, "", ""
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


# Distance


@pytest.fixture(scope="module")
def cloud() -> tuple[np.ndarray, tuple[Row, ...]]:
    """300 images in 20 dimensions, two classes apart from each other."""
    rng = np.random.default_rng(1)
    rows = tuple(row(n, label=("covid", "normal")[n % 2]) for n in range(300))
    spread = rng.normal(0, 1, (300, 20)) * np.linspace(3, 0.2, 20)
    apart = np.array([[4.0 * (one.label == "covid")] for one in rows])
    return (spread + apart).astype(np.float32), rows


def test_the_cosine_distance_is_that_of_scikit_learn(
    cloud: tuple[np.ndarray, tuple[Row, ...]],
) -> None:
    features, rows = cloud
    distance = fit_distance("knn", features, rows, OWN)
    asked = np.random.default_rng(2).normal(0, 3, (15, 20)).astype(np.float32)
    inside = (features - features.mean(axis=0)) @ distance.projection
    neighbours = NearestNeighbors(n_neighbors=3, metric="cosine").fit(inside)
    expected = neighbours.kneighbors((asked - features.mean(axis=0)) @ distance.projection)[0]
    np.testing.assert_allclose(distance(asked), expected.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("method", ["mahalanobis", "mahalanobis_by_class"])
def test_the_mahalanobis_distance_is_that_of_the_covariance_written_out(
    method: novelty.Method, cloud: tuple[np.ndarray, tuple[Row, ...]]
) -> None:
    features, rows = cloud
    distance = fit_distance(method, features, rows, OWN)
    along, across = distance.variances[:-1], distance.variances[-1]
    axes = distance.projection.astype(np.float64)
    covariance = axes @ np.diag(along - across) @ axes.T + across * np.eye(20)
    asked = np.random.default_rng(2).normal(0, 3, (15, 20)).astype(np.float32)
    squared = [
        np.einsum("if,fg,ig->i", asked - one, np.linalg.inv(covariance), asked - one) / 20
        for one in distance.centres
    ]
    np.testing.assert_allclose(distance(asked), np.sqrt(np.min(squared, axis=0)), rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_distance_in_the_exported_network_is_the_one_that_was_fitted(
    method: novelty.Method, cloud: tuple[np.ndarray, tuple[Row, ...]], tmp_path: Path
) -> None:
    features, rows = cloud
    distance = fit_distance(method, features, rows, OWN)
    pooled = keras.Input((20,), name="image")
    model = keras.Model(pooled, novelty.distance_layers(distance)(pooled))
    asked = np.random.default_rng(4).normal(0, 3, (7, 20)).astype(np.float32)
    export_onnx(model, tmp_path / "distance.onnx", asked)
    session = onnxruntime.InferenceSession(str(tmp_path / "distance.onnx"))
    (found,) = session.run(None, {"image": asked})
    assert found.shape == (7, 1)
    np.testing.assert_allclose(found[:, 0], distance(asked), rtol=1e-3, atol=1e-4)


def novelty_of(cloud: tuple[np.ndarray, tuple[Row, ...]], least: int = 100) -> novelty.Novelty:
    features, rows = cloud
    served = Fitting("served", rows[:200], rows[200:])
    rng = np.random.default_rng(6)
    unseen = LeftOut("armiro", features[:200], rows[:200], features[200 : 200 + least] * 1.2)
    odd = {"noise": rng.normal(0, 9, (40, 20)).astype(np.float32)}
    return fit_novelty(features, rows, served, [unseen], odd, OWN)


def test_the_threshold_refuses_two_in_a_hundred_of_an_unseen_source_and_the_strangers(
    cloud: tuple[np.ndarray, tuple[Row, ...]],
) -> None:
    found = novelty_of(cloud)
    chosen = found.figures["methods"][found.figures["chosen"]]
    assert chosen["left_out_refused"] == {"armiro": 0.02}
    assert chosen["strangers_refused"] > 0.8
    assert chosen["strangers_refused"] == max(
        one["strangers_refused"] for one in found.figures["methods"].values()
    )
    assert found.as_trained() == {
        "method": found.figures["chosen"],
        "threshold": chosen["threshold"],
    }
    assert found.figures["reference"] == 200
    assert "(served)" in "".join(novelty.tables(found.figures))


def test_there_is_no_threshold_without_a_source_left_out(
    cloud: tuple[np.ndarray, tuple[Row, ...]],
) -> None:
    assert novelty_of(cloud, least=20).threshold > 0
    with pytest.raises(TableError, match="must see a source left out"):
        novelty_of(cloud, least=0)


def test_children_are_neither_reference_nor_unseen_source() -> None:
    rows = tuple(row(n, source=("nih", "kermany")[n % 2], child=n % 2 == 1) for n in range(40))
    fitting = Fitting("without-nih", rows[1::2], rows[::2], ("nih",))
    found = novelty.left_out(fitting, np.arange(80, dtype=np.float32).reshape(40, 2), rows)
    assert found.rows == ()
    assert len(found.unseen) == 20


# Orientation


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """Drawn chests, all lying as they should."""
    values = [orientation_input(phantom(seed).pixels)[0, :, :, 0] for seed in range(60)]
    rows = tuple(row(n) for n in range(60))
    return Pictures(np.rint(np.stack(values) * 255).astype(np.uint8), rows)


def test_a_made_fault_is_the_one_that_its_name_says() -> None:
    drawn = np.zeros((4, 4), np.float32)
    drawn[0, 3] = 1  # top right
    places = {
        "turned_left": (0, 0),
        "upside_down": (3, 0),
        "turned_right": (3, 3),
        "mirrored": (0, 0),
    }
    for key, place in places.items():
        assert np.argwhere(faulty(drawn, *MADE[key]) == 1).tolist() == [list(place)]
    assert faulty(drawn, *MADE["inverted"])[0, 3] == 0


@pytest.fixture(scope="module")
def trained(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    own = OrientationSettings(epochs=14, batch=12, learning_rate=3e-3, refused=0.05)
    return train_orientation(pictures, own, 3, tmp_path_factory.mktemp("orientation"))


def test_a_few_epochs_tell_upside_down_and_inverted_drawings(
    trained: keras.Model, pictures: Pictures
) -> None:
    served = above_thresholds(trained, np.zeros(len(FAULTS), np.float32))
    values = pictures.values.astype(np.float32) / 255
    proper = answers(served, values)
    for key in ("upside_down", "inverted"):
        place = [fault.key for fault in FAULTS].index(key)
        wrong = answers(served, np.stack([faulty(one, *MADE[key]) for one in values]))
        assert (wrong[:, place] > proper[:, place]).mean() > 0.9


def test_thresholds_keep_to_the_cost_and_lie_in_the_network(
    trained: keras.Model, pictures: Pictures, tmp_path: Path
) -> None:
    own = OrientationSettings(epochs=1, batch=12, learning_rate=3e-3, refused=0.05)
    thresholds = choose_thresholds(trained, pictures, own)
    assert (thresholds >= 0).all()
    served = above_thresholds(trained, thresholds)
    figures = orientation_figures(served, pictures, 20, 1)
    assert figures["nih"]["proper_refused"]["value"] <= 0.1
    probe = np.random.default_rng(0).random((2, ORIENTATION_SIDE, ORIENTATION_SIDE, 1), np.float32)
    export_onnx(served, tmp_path / "orientation.onnx", probe)
    assert (tmp_path / "orientation.onnx").stat().st_size < 1_000_000
    plain = above_thresholds(trained, np.zeros(len(FAULTS), np.float32))
    np.testing.assert_allclose(
        answers(plain, probe[..., 0]) - answers(served, probe[..., 0]),
        np.tile(thresholds, (2, 1)),
        atol=1e-4,
    )


def test_a_run_that_was_cut_off_goes_on(pictures: Pictures, tmp_path: Path) -> None:
    own = OrientationSettings(epochs=1, batch=20, learning_rate=1e-3, refused=0.01)
    train_orientation(pictures, own, 3, tmp_path)
    whole = train_orientation(pictures, replace(own, epochs=1), 3, tmp_path / "whole")
    resumed = train_orientation(pictures, own, 3, tmp_path)
    shown = pictures.values[:4].astype(np.float32) / 255
    np.testing.assert_allclose(answers(resumed, shown), answers(whole, shown), atol=1e-3)
    assert build().count_params() < 250_000


# Maps


@pytest.fixture(scope="module")
def crops() -> Crops:
    side = prepare.INPUT_SIDE
    rng = np.random.default_rng(8)
    pictures = rng.integers(60, 120, (24, side, side)).astype(np.uint8)
    pictures[:, : side // 4, : side // 4] = 250  # what the reader below looks at
    everything = np.full_like(pictures, 255)
    rows = tuple(row(n, label=("covid", "normal")[n % 3 == 0]) for n in range(24))
    return Crops(pictures, everything, np.ones_like(pictures), rows, ())


def corner_reader(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds from the top left corner's brightness, and a map that says so."""
    side = inputs.shape[1]
    cells = inputs[..., 0].reshape(len(inputs), 4, side // 4, 4, side // 4).mean(axis=(2, 4))
    maps = np.zeros_like(cells)
    maps[:, 0, 0] = 6 * cells[:, 0, 0]
    return maps[:, 0, 0], maps


def contrary_reader(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same answer with a map that points to the opposite corner."""
    odds, maps = corner_reader(inputs)
    return odds, maps[:, ::-1, ::-1]


OCCLUSION = OcclusionSettings(images=12, covered=0.06, draws=3)


def test_covering_the_hottest_cells_counts_where_the_map_tells_the_truth(crops: Crops) -> None:
    readers = dict.fromkeys(range(4), corner_reader)
    judged = called_positive(readers, crops, 0.5)
    found = occlusion.occlusion_figures(readers, judged, "covid", OCCLUSION, 50, 1)
    assert found["cells"] == 1
    assert found["difference"]["low"] > 1
    assert found["hottest_fall_more"]["value"] == 1
    assert found["hottest"]["images"] == 12


def test_a_map_that_points_elsewhere_is_found_out(crops: Crops) -> None:
    readers = dict.fromkeys(range(4), contrary_reader)
    judged = called_positive(readers, crops, 0.5)
    found = occlusion.occlusion_figures(readers, judged, "covid", OCCLUSION, 50, 1)
    assert found["difference"]["value"] <= 0


def test_limits_for_the_map_outside_the_lungs_come_from_right_positives(crops: Crops) -> None:
    half = np.zeros((prepare.INPUT_SIDE,) * 2, np.float32)
    half[:, prepare.INPUT_SIDE // 2 :] = 1
    judged = called_positive(dict.fromkeys(range(4), corner_reader), crops, 0.5)
    found = outside_figures(judged, lambda _: half, (0.0, 6.0), "covid", 20, 1)
    assert found["caution"] == found["refusal"] == pytest.approx(1, abs=0.02)
    assert found["right"]["quantiles_10_50_90_99"][1] > 0.98
    nothing = called_positive(dict.fromkeys(range(4), corner_reader), crops, 0.9999)
    assert outside_figures(nothing, lambda _: half, (0, 6), "covid", 20, 1)["caution"] is None


# Refusals


def test_every_picture_goes_the_whole_way_and_its_first_gate_is_counted(data: Path) -> None:
    model = load_model("chest_xray", threads=1)
    rows = (row(0, path="images/nih-normal-3-0.png"), row(1, path="images/nih-normal-3-1.png"))
    child = row(2, source="kermany", child=True, path="images/kermany-normal-3-0.png")
    odd = [one for one in strangers(data, 1) if one.kind in ("noise", "black frames")][::10]
    offered = list(refusals.cases((*rows, child), data, odd, 200, 1))
    found = refusals.refusal_figures(model, offered, 20, 1)
    assert found["proper"]["nih"]["refused"]["images"] == 2
    assert found["faults"]["upside down"]["refused"]["value"] == 1
    assert found["children"]["children, age in the header"]["by"] == {"header": 1.0}
    assert found["strangers"]["black frames"]["refused"]["value"] == 1
    assert sum(found["strangers"]["noise"]["by"].values()) == pytest.approx(
        found["strangers"]["noise"]["refused"]["value"]
    )
    text = "\n".join(refusals.tables(found))
    assert "| upside down | 1.00" in text
    assert refusals.tables({}) == []


def test_strangers_are_grey_without_header_and_shown_to_the_classifier_in_a_chests_outline(
    data: Path, crops: Crops
) -> None:
    kinds = {one.kind for one in strangers(data, 1)}
    assert {"photographs", "noise", "black frames", "drawings", "MR"} <= kinds
    few = tuple(one for one in strangers(data, 1) if one.kind in ("noise", "photographs"))[:6]
    assert all(0 <= one.pixels.min() <= one.pixels.max() <= 1 for one in few)
    shown = shown_by_force(few, crops.hull, 1)
    side = prepare.INPUT_SIDE
    assert all(one.shape[1:] == (side, side, 1) for one in shown.values())
    assert as_picture(few[0].pixels[:50, :50], 200).pixels.shape == (200, 200)


def test_a_projection_adds_up_what_lies_along_the_rays() -> None:
    volume = np.ones((20, 30, 30), np.float32)
    volume[:, :, 20:] = 3
    front, side = projection(volume, 0), projection(volume, 90)
    assert front[:, -40:].mean() > 0.9 > 0.1 > front[:, :200].mean()
    assert np.ptp(side[:, 100:400]) < 0.2
