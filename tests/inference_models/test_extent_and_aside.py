"""Radiographic extent and the question about children, as they are served."""

from __future__ import annotations

import numpy as np
import pytest

from inference.models.chest_xray.extent import LEVEL_LABELS, SCALES, extent, level_of

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
