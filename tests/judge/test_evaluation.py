import numpy as np
import pytest
from judged_fields import SHIPPED, shipped

from pinn.judge.evaluation import cell_weights, evaluation_axes, norm_weights, on_tensor


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


def test_a_norm_sees_an_integrable_singularity_and_not_its_infinite_value():
    """A pressure log r around a corner of the unit square; the norm against Gauss's rule on squares graded to the corner."""
    axes = (np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    r = np.hypot(axes[0][:, None], axes[1])
    for smallest in (1e-3, 1e-300):
        pressure = np.log(np.maximum(r, smallest))
        norm = np.sqrt(np.sum(norm_weights(axes) * pressure**2))
        assert norm == pytest.approx(graded_norm(), rel=2e-3)
    assert np.sum(cell_weights(axes) * pressure**2) > 10 * norm**2


def graded_norm():
    places, weights = np.polynomial.legendre.leggauss(20)
    edges = np.concatenate([[0.0], 0.5 ** np.arange(40)[::-1]])
    half = np.diff(edges)[:, None] / 2
    x, w = (edges[:-1, None] + half * (1 + places)).ravel(), (half * weights).ravel()
    return np.sqrt(w @ np.log(np.hypot(x[:, None], x)) ** 2 @ w)


def test_norms_leave_out_what_belongs_to_two_faces_where_that_is_a_small_part():
    fine, coarse = np.linspace(0, 1, 31), np.linspace(0, 1, 5)
    left_out = norm_weights((fine, fine, np.array([0.5]))) == 0
    assert left_out.sum() == 4 and left_out[0, -1]
    assert (norm_weights((fine, fine, fine)) == 0).sum() == 12 * 29 + 8
    assert (norm_weights((fine, coarse)) > 0).all() and (norm_weights((fine,)) > 0).all()


def test_on_tensor_keeps_the_order_of_axes():
    problem = shipped("heat_2d")
    axes = (np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    found = on_tensor(problem, lambda points, request: points @ np.array([[1.0], [10.0], [100.0]]), axes)["u"]
    assert found.shape == (2, 3, 4) and found[1, 1, 2] == pytest.approx(1 + 5 + 30)
