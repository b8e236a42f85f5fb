import numpy as np
import pytest
from judged_fields import heat, shipped

from pinn.judge.grid import equidistributing, interpolate, jittered, make_grid, trapezoid_weights
from pinn.problem.sites import tensor_points


def test_jittered_maps_are_maps_and_differ_between_grids():
    s = np.linspace(0, 1, 200)
    maps = [jittered(0, cells, "x") for cells in (12, 18)]
    for warp in maps:
        assert warp(np.array([0.0]))[0] == 0 and warp(np.array([1.0]))[0] == pytest.approx(1, abs=1e-15)
        assert np.all(np.diff(warp(s)) > 0)
    shared = np.intersect1d(np.round(maps[0](np.arange(1, 12) / 12), 6), np.round(maps[1](np.arange(1, 18) / 18), 6))
    assert len(shared) == 0


def test_equidistributing_concentrates_and_nests():
    x = np.linspace(0, 1, 101)
    layer = np.tanh((x - 0.7) / 0.02)
    slope = abs(np.gradient(layer, x))
    warp = equidistributing(x, slope, abs(np.gradient(slope, x)))
    problem = heat()
    coarse, fine = (make_grid(problem, cells, {"x": warp})[0].nodes for cells in (32, 64))
    np.testing.assert_allclose(fine[::2], coarse, atol=1e-14)
    gaps = np.diff(fine)
    assert np.all(gaps > 0) and gaps.max() / gaps.min() > 4
    assert abs(fine[np.argmin(gaps)] - 0.7) < 0.05
    assert np.all(abs(np.diff(np.log(gaps))) < 0.5)


def test_wrapped_axes_leave_out_the_last_node():
    (axis,) = make_grid(shipped("heat_periodic"), 10)
    assert axis.wrapped and len(axis.nodes) == 10 and axis.period == pytest.approx(2 * np.pi) and len(axis.edges) == 11
    (axis,) = make_grid(shipped("heat_periodic"), 10, wrap=False)
    assert not axis.wrapped and len(axis.nodes) == 11


def test_interpolation_between_tensor_grids():
    x, y = np.linspace(0, 1, 20), np.linspace(0, 2, 25)
    values = np.sin(x)[:, None] * np.cos(y)
    new = (np.linspace(0, 1, 7), np.linspace(0.1, 1.9, 9))
    expected = np.sin(new[0])[:, None] * np.cos(new[1])
    assert abs(interpolate(values, (x, y), new, 6) - expected).max() < 1e-7


def test_weights_and_points():
    assert trapezoid_weights(np.array([0.0, 1.0, 3.0])) == pytest.approx([1 / 6, 1 / 2, 1 / 3])
    assert trapezoid_weights(np.array([0.0, 1.0]), 4.0) == pytest.approx([0.5, 0.5])
    assert tensor_points(()).shape == (1, 0)
    np.testing.assert_array_equal(tensor_points((np.arange(2), np.arange(2)))[1], [0, 1])
