"""Radiographic extent and the question about children, as they are served."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import ModelRefused
from inference.golden import phantom
from inference.model_folder import Prepared
from inference.models.chest_xray import aside as aside_module
from inference.models.chest_xray.aside import ROLE, aside
from inference.models.chest_xray.extent import LEVEL_LABELS, SCALES, extent, level_of
from inference.prediction import Aside

PREPARED = Prepared(np.random.default_rng(1).random((1, 8, 8, 1), np.float32))

TRAINED = {
    "shown": True,
    "cuts": [2.0, 4.0],
    "errors": {"geographic_extent": 1.2, "brixia": 2.6},
}


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("score", "level"), [(0.0, 1), (2.0, 1), (2.1, 2), (4.0, 2), (4.1, 3), (8.0, 3)]
)
def test_the_level_follows_the_geographic_extent(score: float, level: int) -> None:
    found = extent(scores(score, 3.0, 9.0), TRAINED)
    assert found is not None
    assert (found.level, found.level_label) == (level, LEVEL_LABELS[level - 1])
    assert level_of(score) == level


def test_a_score_is_told_with_its_scale_and_error_and_only_if_it_beat_the_mean() -> None:
    found = extent(scores(5.5, 3.0, 9.0), TRAINED)
    assert found is not None
    assert [(m.key, m.value, m.highest, m.error) for m in found.measures] == [
        ("geographic_extent", 5.5, 8.0, 1.2),
        ("brixia", 9.0, 18.0, 2.6),
    ]


def test_a_score_never_leaves_its_scale() -> None:
    for far, expected in ((99.0, [8.0, 18.0]), (-99.0, [0.0, 0.0])):
        found = extent(scores(far, far, far), TRAINED)
        assert found is not None
        assert [measure.value for measure in found.measures] == expected


def test_nothing_is_told_where_training_found_nothing_to_show() -> None:
    assert extent(scores(5, 3, 9), None) is None
    assert extent(scores(5, 3, 9), {**TRAINED, "shown": False}) is None


def test_another_number_of_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        extent(scores(5, 3), TRAINED)


def test_it_is_never_called_severity() -> None:
    assert not any("sever" in scale.label.lower() for scale in SCALES)


class Told:
    """A network that gives the same outputs for everything, and remembers what it was shown."""

    runtime = "told"

    def __init__(self, *outputs: np.ndarray) -> None:
        self.outputs = outputs
        self.shown: list[np.ndarray] = []

    def run(self, array: np.ndarray) -> tuple[np.ndarray, ...]:
        self.shown.append(array)
        return self.outputs


def asked(*outputs: np.ndarray) -> tuple[Aside | None, Told]:
    network = Told(*outputs)
    return aside(phantom(1), PREPARED, {ROLE: network}), network


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"right_class": {"value": 0.774}, "auc": {"value": 0.85}}
    monkeypatch.setattr(aside_module, "_trained", lambda: found)


def test_without_the_childrens_network_nothing_is_answered() -> None:
    assert aside(phantom(1), PREPARED, {}) is None


def test_the_picture_and_its_mirror_are_asked_and_the_mean_is_told() -> None:
    found, network = asked(np.array([[0.9, 0.1], [0.7, 0.3]], np.float32))
    assert found is not None
    assert found.key == "bacterial_or_viral"
    assert found.classes == pytest.approx({"bacterial": 0.8, "viral": 0.2})
    (shown,) = network.shown
    np.testing.assert_array_equal(shown[0], PREPARED.array[0])
    np.testing.assert_array_equal(shown[1], PREPARED.array[0, :, ::-1])


def test_the_answer_never_stands_without_its_limits() -> None:
    found, _ = asked(np.array([[0.5, 0.5]] * 2, np.float32))
    assert found is not None
    words = {caution.code: caution.sentence for caution in found.cautions}
    assert "whether there is pneumonia" in words["only_if_pneumonia"]
    assert "never on images from another" in words["one_hospital"]
    assert "77 of 100" in words["one_hospital"]
    assert "no reason to withhold antibiotics" in words["not_for_withholding_antibiotics"]
    assert "ovid" not in " ".join([found.title, *found.classes, *words.values()])


@pytest.mark.parametrize(
    "output",
    [np.array([[0.2, 0.3, 0.5]] * 2), np.array([[0.2, 0.3]] * 2), np.full((2, 2), np.nan)],
    ids=["three", "no probabilities", "not finite"],
)
def test_anything_but_two_probabilities_is_refused(output: np.ndarray) -> None:
    with pytest.raises(ModelRefused, match="two probabilities"):
        asked(output.astype(np.float32))
