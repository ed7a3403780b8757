"""The share of the heat map outside the organ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference.outside import outside_share

MAPS = arrays(np.float32, (5, 4), elements=st.floats(0, 1, width=32))
ORGANS = arrays(np.float32, (30, 20), elements=st.floats(0, 1, width=32))
RIGHT_HALF = np.zeros((40, 40), np.float32)
RIGHT_HALF[:, 20:] = 1


def one_cell(row: int, column: int) -> np.ndarray:
    cells = np.zeros((4, 4), np.float32)
    cells[row, column] = 0.7
    return cells


def test_a_cell_counts_where_it_lies() -> None:
    assert outside_share(one_cell(1, 0), RIGHT_HALF) == pytest.approx(1)
    assert outside_share(one_cell(1, 3), RIGHT_HALF) == pytest.approx(0)


def test_a_cell_at_the_edge_reaches_over_it() -> None:
    """Cells are interpolated: the one beside the edge spreads half a cell, an eighth of itself."""
    assert outside_share(one_cell(1, 2), RIGHT_HALF) == pytest.approx(0.125, abs=0.01)


def test_an_even_map_has_the_share_of_the_area() -> None:
    even = np.full((4, 4), 0.3, np.float32)
    assert outside_share(even, RIGHT_HALF) == pytest.approx(0.5)
    assert outside_share(even, np.full((9, 7), 0.25, np.float32)) == pytest.approx(0.75)


@pytest.mark.parametrize("faint", [0.0, 0.003])
def test_a_map_that_nobody_can_see_has_no_share(faint: float) -> None:
    assert outside_share(np.full((4, 4), faint, np.float32), RIGHT_HALF) is None
    assert outside_share(np.full((4, 4), faint + 0.01, np.float32), RIGHT_HALF) is not None


def test_without_a_map_or_an_organ_there_is_no_share() -> None:
    assert outside_share(None, RIGHT_HALF) is None
    assert outside_share(one_cell(0, 0), None) is None


@given(MAPS, ORGANS)
def test_inside_and_outside_are_the_whole(heat_map: np.ndarray, organ: np.ndarray) -> None:
    outside, inside = outside_share(heat_map, organ), outside_share(heat_map, 1 - organ)
    assert (outside is None) == (inside is None) == bool(heat_map.max() < 1 / 255)
    if outside is not None and inside is not None:
        assert 0 <= outside <= 1
        assert outside + inside == pytest.approx(1, abs=1e-5)


@given(MAPS, ORGANS)
def test_a_stronger_map_of_the_same_shape_has_the_same_share(
    heat_map: np.ndarray, organ: np.ndarray
) -> None:
    weak = heat_map * np.float32(0.5)
    shares = outside_share(heat_map, organ), outside_share(weak, organ)
    if shares[0] is not None and shares[1] is not None:
        assert shares[0] == pytest.approx(shares[1], abs=1e-4)


@given(MAPS)
def test_an_organ_that_is_everything_leaves_nothing_outside(heat_map: np.ndarray) -> None:
    assert outside_share(heat_map, np.ones((8, 8), np.float32)) in (None, 0)
