"""Points on pieces: pinned exactly, strictly inside, in the right number, evenly spread, cut by selectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.problem.formulas.parser import parse_selector
from pinn.problem.problem import Coordinate, Problem
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import draw, measure, sample, share, unit_points
from pinn.problem.unknowns import Unknown

BOX = (Coordinate("x", -1.0, 1.0), Coordinate("y", 0.0, 0.41), Coordinate("t", 10.0, 10.5))
VOLUME = Piece(free=("x", "y", "t"))
WALL = Piece((("y", 0.41),), ("y", 1), None, ("x", "t"))
START = Piece((("t", 10.0),), None, None, ("x", "y"))
RANDOM = ["sobol", "latin_hypercube", "uniform"]
RULES = [*RANDOM, "grid", "chebyshev"]


def sites(piece, num=100, rule="sobol", keep=None, seed=0):
    return draw(piece, BOX, num, rule, generator(seed, "points/test"), keep)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("piece", [VOLUME, WALL, START])
@pytest.mark.parametrize("num", [1, 7, 64, 1000])
def test_points_lie_in_their_piece(piece, rule, num):
    points, normals, side, *_ = sites(piece, num, rule)
    assert points.dtype == np.float64 and points.shape[1] == 3 and side is None
    assert len(points) == num if rule in RANDOM else num / 2 <= len(points) <= num
    for axis, coordinate in enumerate(BOX):
        if coordinate.name in piece.free:
            assert (points[:, axis] > coordinate.low).all() and (points[:, axis] < coordinate.high).all()
        else:
            assert (points[:, axis] == dict(piece.fixed)[coordinate.name]).all()
    assert len(np.unique(points, axis=0)) == len(points)
    if piece is WALL:
        assert (normals == [0, 1, 0]).all() and normals.shape == points.shape
    else:
        assert normals is None


def test_a_piece_without_free_coordinates_is_one_point_and_others_stand_in_the_middle():
    corner = Piece((("x", -1.0), ("y", 0.0)))
    np.testing.assert_array_equal(sites(corner, 50).points, [[-1.0, 0.0, 10.25]])
    assert measure(corner, BOX) == 1.0
    assert (sites(Piece((("x", 0.3),), None, None, ("t",)), 5).points[:, :2] == [0.3, 0.205]).all()


def test_sampled_points_lie_in_their_piece():
    problem = Problem("box", BOX, (Unknown("u", ("x", "y", "t")),), ())
    half = Piece(WALL.fixed, WALL.outward, parse_selector("x < 0"), WALL.free)
    points = sample(problem, half, "some", 200)
    assert 50 < len(points) < 150 and points.shape[1] == 3
    assert (points[:, 1] == 0.41).all() and (points[:, 0] < 0).all() and (points > problem.box[:, 0]).all()
    np.testing.assert_array_equal(points, sample(problem, half, "some", 200))
    assert not np.array_equal(points, sample(problem, half, "other", 200)[: len(points)])


def test_normals_point_outwards_on_walls_only():
    names, points = ("x", "y", "t"), np.zeros((2, 3))
    assert WALL.normals(points, names).tolist() == [[0.0, 1.0, 0.0]] * 2
    assert START.normals(points, names).tolist() == VOLUME.normals(points, names).tolist() == [[0.0, 0.0, 0.0]] * 2


def test_measure():
    assert measure(VOLUME, BOX) == pytest.approx(2 * 0.41 * 0.5)
    assert measure(WALL, BOX) == pytest.approx(1.0)
    assert measure(WALL, BOX, lambda points: points[:, 0] > 0.5) == pytest.approx(0.25, rel=2e-3)


@pytest.mark.parametrize("rule", RULES)
def test_selectors_cut(rule):
    def keep(points):
        return points[:, 0] ** 2 + (points[:, 1] - 0.2) ** 2 < 0.1**2

    points = sites(VOLUME, 300, rule, keep).points
    assert keep(points).all()
    assert len(points) == 300 if rule in RANDOM else 150 <= len(points) <= 450
    assert share(VOLUME, BOX, keep) == pytest.approx(np.pi * 0.1**2 / 0.82, rel=0.05)


def test_a_selector_that_keeps_nothing():
    with pytest.raises(BadInput, match="keeps nothing: 0 of 10000 trial points"):
        sites(VOLUME, 10, "sobol", lambda points: points[:, 0] > 2)
    with pytest.raises(BadInput, match="keeps nothing: its only point"):
        sites(Piece((("x", 0.0), ("y", 0.0), ("t", 10.0))), 1, "sobol", lambda points: points[:, 0] > 2)


@pytest.mark.parametrize("rule", RANDOM)
def test_draws_are_functions_of_the_generator(rule):
    first, again, other = (sites(VOLUME, 33, rule, seed=seed).points for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_low_discrepancy_rules_integrate_better_than_random_points():
    def error(rule, seed):
        unit = unit_points(rule, 1024, 2, generator(seed, "spread"))
        return abs(np.mean(np.exp(unit.sum(1))) - (np.e - 1) ** 2)

    errors = {rule: np.median([error(rule, seed) for seed in range(20)]) for rule in RULES[:4]}
    assert errors["sobol"] < errors["latin_hypercube"] / 5 < errors["uniform"] / 5, errors
    assert errors["grid"] < 1e-3, errors


def test_latin_hypercube_has_one_point_in_every_row_and_column():
    unit = unit_points("latin_hypercube", 17, 3, generator(0, "rows"))
    assert (np.sort(np.floor(unit * 17).astype(int), axis=0) == np.arange(17)[:, None]).all()


def test_tensor_grids():
    np.testing.assert_allclose(unit_points("grid", 5, 1, None)[:, 0], [0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(unit_points("chebyshev", 3, 1, None)[:, 0], (1 - np.cos(np.pi * np.array([1, 3, 5]) / 6)) / 2)
    assert len(unit_points("grid", 12, 2, None)) == 12 and len(unit_points("grid", 4096, 3, None)) == 4096


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e9), st.sampled_from(RULES), st.integers(1, 40))
def test_points_stay_strictly_inside_any_range(low, length, rule, num):
    high = low + length
    if np.nextafter(np.nextafter(low, high), high) >= high:
        return
    points = draw(Piece(free=("x",)), (Coordinate("x", low, high),), num, rule, generator(3, "x")).points
    assert (points > low).all() and (points < high).all()
