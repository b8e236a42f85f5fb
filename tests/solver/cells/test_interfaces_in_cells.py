"""Solves in cells of problems with interfaces, against solutions found by hand."""

import numpy as np
import pytest
from cell_problems import error, make_march, read, shipped, solve

from pinn.solver.cells import rounds

LINE = {"x": [0, 1]}
HALVES = {"shapes": {"left": "x < 0.4"}, "interfaces": ["left"]}
WALLS = {"walls": {"at": "boundary", "u": 0}}
SMOOTH = {"at": "interfaces", "jump(u)": 0, "jump(u_x)": 0}


def piecewise(left, right, at=0.4):
    return lambda x: np.where(x < at, left(x), right(x))


def test_a_thin_resistance_lets_the_temperature_jump():
    """k u' is continuous and equals h times the jump; heated by 1. With u = −x²/2 + a x and −x²/6 + b x + c, a = 3b."""
    contact = {"at": "interfaces", "jump(k*u_n)": 0, "k*u_n": "5*jump(u)"}
    problem = read(
        LINE, {"heat": "-diff(k*u_x, x) = 1"}, {**WALLS, "contact": contact}, define={"k": "where(left, 1, 3)"}, **HALVES
    )
    march = make_march(problem)
    at = 0.4
    rows = [[1, -3, 0], [0, 1, 1], [1 / 5 + at, -at, -1]]
    a, b, c = np.linalg.solve(rows, [0, 1 / 6, at / 5 + at**2 / 2 - at**2 / 6])
    assert error(march, solve(march), piecewise(lambda x: -(x**2) / 2 + a * x, lambda x: -(x**2) / 6 + b * x + c)) < 1e-13


def test_different_equations_on_both_sides():
    """−u″ = 1 to the left and u″ = 9u to the right: u = −x²/2 + a x and b sinh(3 − 3x)."""
    parts = {"source": {"at": "left", "equation": "-u_xx = 1"}, "decay": {"at": "not left", "equation": "u_xx = 9*u"}}
    march = make_march(read(LINE, parts, {**WALLS, "joint": SMOOTH}, **HALVES))
    at = 0.4
    rows = [[at, -np.sinh(3 - 3 * at)], [1, 3 * np.cosh(3 - 3 * at)]]
    a, b = np.linalg.solve(rows, [at**2 / 2, at])
    assert error(march, solve(march), piecewise(lambda x: -(x**2) / 2 + a * x, lambda x: b * np.sinh(3 - 3 * x))) < 1e-11


def test_a_nonlinear_material_beside_a_linear_one():
    """(1 + u) u' = 4 u' = q; at the joint U + U²/2 = 0.4 q and 4 (1 − U) = 0.6 q."""
    problem = read(
        LINE, {"heat": "diff(k*u_x, x) = 0"},
        {"walls": {"at": "boundary", "u": "x"}, "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_x)": 0}},
        define={"k": "where(left, 1 + u, 4)"}, **HALVES,
    )  # fmt: skip
    march = make_march(problem)
    joint = np.roots([0.3, 0.6 + 1.6, -1.6]).max()
    q = (joint + joint**2 / 2) / 0.4
    exact = piecewise(lambda x: -1 + np.sqrt(1 + 2 * q * x), lambda x: 1 + q / 4 * (x - 1))
    assert error(march, solve(march), exact) < 1e-11


@pytest.mark.parametrize("name", ["two_materials", "composite_rod"])
def test_shipped_problems_with_a_kink(name):
    march = make_march(shipped(name))
    assert error(march, solve(march)) < 2e-11


def test_a_block_inside():
    problem = read(
        {"x": [0, 1], "y": [0, 1]}, {"heat": "-div(k*grad(u)) = 0"},
        {"walls": {"at": "boundary", "u": "exact"}, "rim": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": 0}},
        shapes={"block": "x > 0.3 and x < 0.7 and y > 0.25 and y < 0.6"}, interfaces=["block"],
        define={"k": "where(block, 10, 1)", "s": "(x - 0.3)*(x - 0.7)*(y - 0.25)*(y - 0.6)"},
        manufactured=True, exact="sin(3*x + y)*s/k",
    )  # fmt: skip
    march = make_march(problem)
    state = solve(march)
    assert error(march, state) < 1e-12
    assert rounds.description(march, state)["cells"]["in_all"] >= 9


def test_the_solution_is_seen_from_the_side_that_is_asked_for():
    march = make_march(shipped("two_materials"))
    solution = rounds.solution(march, solve(march))
    points, slope = np.array([[0.0, 0.3]] * 2), (("u", ((1, 0),)),)
    left, right = solution(points, slope, np.array([[-1.0, 0.0], [1.0, 0.0]]))[:, 0]
    assert left == pytest.approx(10 * right, rel=1e-8)
