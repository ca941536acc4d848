"""Labels in pictures: apart, in order, and moved no more than they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.charts.spreading import spread


def test_labels_that_are_near_are_moved_apart_and_others_are_not() -> None:
    assert spread(np.array([1.0, 0.11, 0.09]), 0.4) == pytest.approx([1.0, 0.3, -0.1])
    assert spread(np.array([0.5, 0.1, 0.9]), 0.4) == pytest.approx([0.5, 0.1, 0.9])


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_three_labels_are_apart_in_order_and_centred(values: list[float]) -> None:
    wanted = np.array(values)
    heights = spread(wanted, 0.3)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(heights[order]) >= 0.3 - 1e-9).all()
    assert heights.sum() == pytest.approx(wanted.sum(), abs=1e-9)


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=12))
def test_labels_lie_apart_in_their_order_and_move_only_where_they_must(heights):
    heights = np.array(heights)
    moved = spread(heights, 9.0)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(moved[order]) > 9 - 1e-6).all()
    assert abs(moved.mean() - heights.mean()) < 1e-6
    if (np.diff(heights[order]) >= 9).all():
        assert np.allclose(moved, heights)
