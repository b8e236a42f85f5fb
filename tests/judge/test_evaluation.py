import numpy as np
import pytest
from judged_fields import SHIPPED, shipped

from pinn.judge.evaluation import cell_weights, evaluation_axes, on_tensor


@pytest.mark.parametrize("name", SHIPPED)
def test_axes_cover_the_box_irregularly_and_repeat(name):
    problem = shipped(name)
    axes = evaluation_axes(problem)
    assert np.prod([len(axis) for axis in axes]) <= 200_000
    for axis, coordinate, again in zip(axes, problem.coordinates, evaluation_axes(problem), strict=True):
        assert axis[0] == coordinate.low and axis[-1] == coordinate.high
        gaps = np.diff(axis)
        assert np.all(gaps > 0) and gaps.std() > 0.05 * gaps.mean()
        np.testing.assert_array_equal(axis, again)


def test_weights_sum_to_one_and_integrate():
    axes = (np.linspace(0, 1, 50) ** 2, np.linspace(0, 2, 30))
    weights = cell_weights(axes)
    assert weights.sum() == pytest.approx(1)
    assert (weights * (axes[0][:, None] + axes[1])).sum() == pytest.approx(1.5)


def test_on_tensor_keeps_the_order_of_axes():
    problem = shipped("heat_2d")
    axes = (np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    found = on_tensor(problem, lambda points, request: points @ np.array([[1.0], [10.0], [100.0]]), axes)["u"]
    assert found.shape == (2, 3, 4) and found[1, 1, 2] == pytest.approx(1 + 5 + 30)
