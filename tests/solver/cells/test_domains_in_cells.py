"""Solves in cells of domains that end inside cells, against exact solutions."""

import numpy as np
import pytest
from cell_problems import make_march, random_points, read, solve

from pinn.solver.cells import rounds

SQUARE = {"x": [-1, 1], "y": [-1, 1]}
HOLE = {"shapes": {"hole": {"ball": {"center": [0.1, 0.2], "radius": 0.4}}}, "domain": "not hole"}
RING = {
    "shapes": {
        "outer": {"ball": {"center": [0, 0], "radius": 0.9}},
        "inner": {"ellipsoid": {"center": [0.1, 0], "radii": [0.4, 0.2]}},
    },
    "domain": "outer and not inner",
}
LAPLACE = {"laplace": "laplacian(u) = 0"}
LOGARITHM = "log((x - 0.1)**2 + (y - 0.2)**2) + x*y"


def inside_error(march, state):
    points = random_points(march.problem, 20_000)
    points = points[march.problem.inside(points)]
    truth = march.problem.exact_values(march.problem.values, points)
    return np.linalg.norm(rounds.solution(march, state)(points) - truth) / np.linalg.norm(truth)


def test_a_round_hole_with_a_flux_through_its_rim():
    conditions = {"outer": {"at": "boundary and not hole", "u": "exact"}, "rim": {"at": "hole", "u_n": "exact"}}
    march = make_march(read(SQUARE, LAPLACE, conditions, exact=LOGARITHM, **HOLE))
    assert inside_error(march, solve(march)) < 1e-9


@pytest.mark.parametrize("shape", [
    {"polygon": {"vertices": [[0, 0], [1, 0], [1, -1], [-1, -1], [-1, 1], [0, 1]]}},
    {"polygon": {"vertices": [[-0.9, -0.8], [0.7, -0.95], [0.95, 0.6], [-0.3, 0.9]]}},
    {"box": {"x": [-0.7, 0.45], "y": [-0.35, 0.95]}},
    "not (x > 0 and y > 0)",
])  # fmt: skip
def test_polygons(shape):
    conditions = {"walls": {"at": "boundary", "u": "exact"}}
    text = {"shapes": {"body": shape}, "domain": "body", "exact": "x**2 - y**2 + exp(x)*sin(y)"}
    march = make_march(read(SQUARE, LAPLACE, conditions, **text), 1e-8)
    assert inside_error(march, solve(march)) < 1e-7


def test_a_ring_in_time_with_an_elliptic_hole():
    conditions = {
        "start": {"at": "t = 0", "u": "exact"}, "out": {"at": "outer", "u_n": "exact"}, "in": {"at": "inner", "u": "exact"},
    }  # fmt: skip
    text = {"exact": "exp(-2*t)*sin(x)*cos(y)", **RING}
    march = make_march(read({**SQUARE, "t": [0, 0.2]}, {"heat": "u_t = laplacian(u)"}, conditions, **text), 1e-6)
    assert inside_error(march, solve(march)) < 1e-5


def test_a_nonlinear_equation_in_a_disk():
    """Bratu's equation −Δu = λ exp(u) in the unit disk: u = 2 log((1 + b)/(1 + b r²)), λ = 8b/(1 + b)²."""
    b = 0.2
    text = {"shapes": {"disk": {"ball": {"center": [0, 0], "radius": 1}}}, "domain": "disk"}
    problem = read(
        SQUARE, {"bratu": f"-laplacian(u) = {8 * b / (1 + b) ** 2}*exp(u)"}, {"rim": {"at": "disk", "u": 0}},
        exact=f"2*log({1 + b}/(1 + {b}*(x**2 + y**2)))", **text,
    )  # fmt: skip
    march = make_march(problem, 1e-8)
    assert inside_error(march, solve(march)) < 1e-7
