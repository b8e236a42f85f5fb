"""Steady problems whose prescribed values jump where two conditions meet: cells become small there, and the rest is exact."""

import numpy as np
import pytest
from cell_problems import make_march, random_points, read, shipped, solve

from pinn.solver.cells import rounds
from pinn.solver.cells.edges import SMALLEST_IN_THREE, cut_towards, large_jumps, touches

SQUARE = {"x": [0, 1], "y": [0, 2]}
HOT = {"hot": {"at": "y = 2", "u": 1}, "cold": {"at": "boundary and not y = 2", "u": 0}}
LAPLACE = {"laplace": "laplacian(u) = 0"}


def series(x, y):
    """Laplace's equation on the square by separation of variables, Strauss (2008), section 6.2."""
    total = np.zeros_like(x)
    for k in range(1, 1200, 2):
        decay = np.exp(-k * np.pi * (2 - y)) * (1 - np.exp(-2 * k * np.pi * y)) / (1 - np.exp(-4 * k * np.pi))
        total += 4 / (k * np.pi) * np.sin(k * np.pi * x) * decay
    return total


def test_a_jump_spoils_nothing_at_some_distance():
    march = make_march(read(SQUARE, LAPLACE, HOT), 1e-5)
    found = rounds.solution(march, solve(march))
    points = random_points(march.problem, 4000)
    near_the_lid = points[:, 1] > 1.95
    error = found(points)[:, 0] - series(*points.T)
    assert np.abs(error[~near_the_lid]).max() < 2e-7
    assert np.sqrt(np.mean(error[near_the_lid] ** 2)) < 1e-6


def test_where_values_jump_and_by_how_much():
    problem = read(SQUARE, LAPLACE, HOT)
    found = large_jumps(problem)
    assert sorted((jump.edge["x"], jump.edge["y"]) for jump in found) == [(0, 2), (1, 2)]
    assert all(set(jump.conditions) == {"hot", "cold"} and jump.size == pytest.approx(1) for jump in found)


@pytest.mark.parametrize(
    ("coordinates", "equations", "conditions"),
    [
        (SQUARE, LAPLACE, {"all": {"at": "boundary", "u": "x*y"}}),
        (SQUARE, LAPLACE, {"hot": {"at": "y = 2", "u": "sin(pi*x)"}, "cold": {"at": "boundary and not y = 2", "u": 0}}),
        (SQUARE, LAPLACE, {"hot": {"at": "y = 2", "u": "1e-4*x"}, "rest": {"at": "boundary and not y = 2", "u": "1 - y/2"}}),
        (
            {"x": [0, 1], "t": [0, 1]},
            {"heat": "u_t = u_xx"},
            {"start": {"at": "t = 0", "u": 1}, "walls": {"at": "boundary", "u": 0}},
        ),
    ],
    ids=["one formula", "no jump", "a flux of nothing", "smooth later on"],
)
def test_elsewhere_cells_are_left_alone(coordinates, equations, conditions):
    if "rest" in conditions:
        conditions = {**conditions, "rest": {"at": "boundary and not y = 2", "u": "1e-4*x*y/2 + 2*(1 - y/2)"}}
    assert large_jumps(read(coordinates, equations, conditions)) == []


def test_cells_halve_towards_an_edge_in_space():
    problem = read(
        {"x": [0, 1], "y": [0, 1], "z": [0, 3]},
        LAPLACE,
        {"lid": {"at": "y = 1", "u": 1}, "rest": {"at": "boundary and not y = 1", "u": 0}},
    )
    jump = next(each for each in large_jumps(problem) if each.edge == {"y": 1.0, "x": 0.0})
    cover = cut_towards(problem, make_march(shipped("poisson_3d")).begin().cover, [])
    assert cover.num_cells == 1
    cover = make_march(problem).begin().cover
    there = np.array([box for box in cover.boxes if touches(problem, box, jump)])
    assert np.ptp(there, axis=2)[:, :2] == pytest.approx(SMALLEST_IN_THREE) and cover.num_cells < 150
    assert np.prod(np.ptp(cover.boxes, axis=2), axis=1).sum() == pytest.approx(3)


def test_what_jumps_does_not_hide_that_all_else_is_satisfied():
    march = make_march(read(SQUARE, LAPLACE, HOT), 1e-5)
    attempt = march.advance(march.begin())
    assert attempt.residual < 1e-4 and attempt.system.doubted(attempt.solved.coefficients) > 0


def test_the_better_solution_has_smaller_cells_at_jumps():
    problem = read(SQUARE, LAPLACE, HOT)
    march, more, fewer = (make_march(problem, 1e-3, degree=degree) for degree in (8, 10, 6))
    state = solve(march)
    own, better, worse = (
        np.ptp(found.slabs[0].field.cover.boxes, axis=2).min()
        for found in (rounds.solution(march, state), *(rounds.repeated(march, other, state)[0] for other in (more, fewer)))
    )
    assert better == pytest.approx(own * rounds.SMALLER) and rounds.SMALLER < 1 and worse == own


def test_small_cells_count_little_in_the_size_of_coefficients():
    field = rounds.solution(march := make_march(read(SQUARE, LAPLACE, HOT), 1e-3), solve(march)).slabs[0].field
    areas = np.prod(np.ptp(field.cover.boxes, axis=2), axis=1)
    for cell in (np.argmin(areas), np.argmax(areas)):
        coefficients = np.zeros(field.shape)
        coefficients[cell, 0, 0] = 3.0
        assert field.size_of(coefficients) == pytest.approx(3 * np.sqrt(areas[cell] / 2))
