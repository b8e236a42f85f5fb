"""Denominators of equations, and solves that do not cross their zeros."""

import numpy as np
import pytest
from by_hand import make_field
from cell_problems import error, make_march, random_points, read, shipped, solve

from pinn.solver.cells import rounds
from pinn.solver.cells.newton import gauss_newton
from pinn.solver.cells.poles import Poles, denominators, pole_residuals
from pinn.solver.cells.system import System

ENDS = {"ends": {"at": "boundary", "u": "1 + x"}}


def always(tolerance):
    """The same tolerance for all coefficients."""
    return lambda coefficients: tolerance


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("u_xx = 1/u", {"u"}),
        ("u_xx = x/(2*u*(1 + x))", {"u"}),
        ("u_xx = sin(1/(u**3*u_x))", {"u", "u_x"}),
        ("u_xx = (1 + u**2)**(-3/2)", {"1 + u**2"}),
        ("u_xx = 1/(1/u)", {"u"}),
        ("u_xx = u_x/x + u**2", set()),
    ],
)
def test_factors_of_denominators_that_depend_on_unknowns(law, expected):
    (equation,) = (row for row in read({"x": [1, 2]}, {"law": law}, ENDS).residuals if row.kind == "equation")
    assert {str(node).replace("u[0]", "u").replace("u[1]", "u_x") for node in denominators(equation.tree)} == expected


@pytest.mark.parametrize(("level", "crossed"), [(0.1, ""), (0.5, "law"), (1.1, "")])
def test_a_pole_is_crossed_where_a_denominator_takes_both_signs(level, crossed):
    problem = read({"x": [0, 1]}, {"law": f"u_xx = 1/({level} - u)"}, ENDS)
    field = make_field(problem, [3], 8)
    coefficients = field.project(0.2 + 0.8 * np.moveaxis(field.grid_points(), 2, 1))
    poles = Poles(problem, pole_residuals(problem.laws), field)
    assert poles.crossed_by(coefficients) == crossed and poles.are_crossed(coefficients) is bool(crossed)


def test_what_is_outside_the_domain_crosses_nothing():
    problem = read({"x": [-1, 1], "y": [-1, 1]}, {"law": "laplacian(u) = 1/(u + 0.5)"}, {"rim": {"at": "boundary", "u": "x"}},
                   shapes={"half": {"box": {"x": [-0.2, 1], "y": [-1, 1]}}}, domain="half")  # fmt: skip
    field = make_field(problem, [10, 2], 4)
    coefficients = field.project(np.moveaxis(field.grid_points()[:, :, :1], 2, 1))
    assert not Poles(problem, pole_residuals(problem.laws), field).are_crossed(coefficients)
    whole = read({"x": [-1, 1], "y": [-1, 1]}, {"law": "laplacian(u) = 1/(u + 0.5)"}, {"rim": {"at": "boundary", "u": "x"}})
    assert Poles(whole, pole_residuals(whole.laws), field).are_crossed(coefficients)


def test_no_step_crosses_where_the_start_did_not():
    """Beyond the pole at u = 0 steps lead astray: from u = 3 on they do not converge."""
    problem = read({"x": [0, 1]}, {"law": "u_x = 1/u - 3"}, {"start": {"at": "x = 0", "u": 1}})
    field = make_field(problem, [1], 12)
    start, system = field.project(np.full((1, 1, len(field.basis.points)), 3.0)), System(problem, field, problem.residuals)
    poles = Poles(problem, pole_residuals(problem.laws), field)
    kept, free = (gauss_newton(system, start, False, always(1e-10), 25, None, crosses) for crosses in (poles.are_crossed, None))
    assert kept.has_converged and kept.norm < 1e-4 and not poles.are_crossed(kept.coefficients)
    assert free.norm > 1000 * kept.norm and poles.are_crossed(free.coefficients)


@pytest.mark.parametrize("rounding", [0.0, 1e-13])
def test_an_option_that_may_be_exercised_early_stays_above_its_payoff(rounding, monkeypatch):
    """The penalty e r K/(V + e - (K - S)) has a pole below the payoff; polynomials of coarse cells cross it at the kink."""
    from pinn.field.cells.cell_field import CellField

    plain, draw = CellField.local, np.random.default_rng(1).standard_normal
    monkeypatch.setattr(CellField, "local", lambda self, cell, points: plain(self, cell, points) + rounding * draw(points.shape))
    march = make_march(shipped("american_put"), 1e-6)
    found = rounds.solution(march, solve(march))
    points = random_points(march.problem, 5000)
    assert (found(points)[:, 0] > np.maximum(1 - points[:, 0], 0) - 0.002).all()
    # on 1600 cells of finite differences 0.0634495, on 800 0.0634453
    assert found(np.array([[1.0, 1.0]]))[0, 0] == pytest.approx(0.063451, abs=1e-5)


def test_a_solution_that_does_cross_is_found_and_the_crossing_said():
    start = {"start": {"at": "t = 0", "u": "sin(2*x + 0.3)"}, "ends": {"at": "boundary", "free": "u"}}
    march = make_march(read({"x": [0, 3], "t": [0, 1]}, {"law": "u_t = -u**2/u"}, start))
    state = solve(march)
    assert error(march, state, lambda x, t: np.sin(2 * x + 0.3) * np.exp(-t)) < 1e-6
    assert len(state.field["remarks"]) == 1
    assert any("a denominator in 'law' is positive here and negative there" in each for each in state.field["remarks"])
