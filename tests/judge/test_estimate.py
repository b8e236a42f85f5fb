from dataclasses import replace

import numpy as np
import pytest
from judged_fields import SHIPPED, exact, from_text, heat, perturbed, shipped, true_error, with_bump, zero

from pinn.judge.estimate import ErrorEstimate, Estimator, estimate
from pinn.problem.formulas.parser import parse

WITH_EXACT = [name for name in SHIPPED if name != "burgers"]


@pytest.mark.parametrize("name", WITH_EXACT)
def test_estimate_is_accepted_and_right(name):
    problem = shipped(name)
    estimator = Estimator(problem)
    for size in (1e-1, 1e-5, 1e-8, None):
        solution = zero if size is None else perturbed(problem, size)
        found, truth = estimator(solution), true_error(problem, solution)
        assert found.accepted, (size, found.why)
        for unknown in problem.unknown_names:
            assert 0.8 < found.relative_l2[unknown] / truth[unknown] < 1.25, (size, unknown)


FIRST_GRIDS = ErrorEstimate(size=6e-4)
"""Room for the first two grids of a problem on a line."""


def test_estimated_error_field_has_the_sign_of_solution_minus_truth():
    problem = shipped("poisson_2d")
    solution = perturbed(problem, 1e-3)
    found = estimate(problem, solution)
    points = np.random.default_rng(0).random((200, 2))
    truth = solution(points, problem.values) - exact(problem)(points, problem.values)
    assert np.linalg.norm(found(points) - truth) < 0.1 * np.linalg.norm(truth)


@pytest.mark.parametrize("centre, width", [(0.37, 0.01), (0.5, 0.004), (0.811, 0.002), (0.03, 0.01)])
def test_errors_hidden_between_the_nodes_are_found_or_refused(centre, width):
    problem = shipped("poisson_1d")
    bump = parse(f"0.01*exp(-((x - {2 * centre - 1})/{width})**2)")
    solution = with_bump(problem, bump)
    found, truth = estimate(problem, solution), true_error(problem, solution)
    assert not found.accepted or 0.5 < found.relative_l2["u"] / truth["u"] < 2
    first = estimate(problem, solution, FIRST_GRIDS)
    assert not first.accepted and first.why and first.cells == 18


def test_errors_hidden_on_a_wall_are_found_or_refused():
    problem = shipped("poisson_2d")
    bump = parse("0.1*exp(-((x - 0.43)/0.003)**2)*y")
    solution = with_bump(problem, bump)
    assert not Estimator(problem).quick(solution).accepted


def test_oscillation_above_the_grid_is_refused_by_the_first_grids():
    problem = shipped("poisson_1d")
    assert not estimate(problem, with_bump(problem, parse("1e-3*sin(283*x)")), FIRST_GRIDS).accepted


def test_quick_estimates_begin_where_the_last_one_ended():
    problem = shipped("poisson_1d")
    rough, smooth = (with_bump(problem, parse(f"1e-3*sin({k}*x)")) for k in (25, 1))
    estimator = Estimator(problem)
    first = estimator.quick(rough)
    again = estimator.quick(rough)
    assert first.cells == again.cells and first.relative_l2 == again.relative_l2
    after = estimator.quick(smooth)
    assert after.accepted and after.cells == first.cells > Estimator(problem).quick(smooth).cells


def test_repeated_estimates_are_equal():
    problem = shipped("reaction_diffusion")
    estimator, solution = Estimator(problem), perturbed(problem, 1e-4)
    first = estimator(solution)
    estimator(zero)
    assert estimator(solution).relative_l2 == first.relative_l2 == estimate(problem, solution).relative_l2


def test_periodic_seams_are_conditions_not_wrapped_away():
    problem = shipped("heat_periodic")
    solution = with_bump(problem, parse("1e-3*x"))
    found, truth = estimate(problem, solution), true_error(problem, solution)
    assert found.accepted and found.relative_l2["u"] == pytest.approx(truth["u"], rel=0.1)


class WithCuts:
    cuts = ("a cut",)

    def __call__(self, points, request):
        return zero(points, request)


def test_fields_with_cuts_are_refused():
    found = estimate(heat(), WithCuts())
    assert not found.accepted and "cuts" in found.why and found.record()["relative_l2"] is None


def test_ill_posed_problems_are_refused():
    backward = heat(equations={"heat": "u_t = -0.4*u_xx"}, exact="exp(0.4*pi**2*t)*sin(pi*x)")
    assert not estimate(backward, perturbed(backward, 1e-3)).accepted
    problem = from_text(
        coordinates={"x": [0, 1], "y": [0, 1]},
        unknowns=["u"],
        equations={"p": "laplacian(u) = cos(pi*x)"},
        conditions={"sealed": {"at": "boundary", "u_n": 0}, "gauge": "mean(u) = 0"},
    )
    found = estimate(replace(problem, conditions=problem.conditions[:-1]), zero)
    assert not found.accepted and "singular" in found.why


def test_budget_is_counted_in_unknowns():
    problem = shipped("poisson_1d")
    solution = with_bump(problem, parse("1e-3*sin(126*x)"))
    small, large = estimate(problem, solution, ErrorEstimate(size=1e-3)), estimate(problem, solution)
    assert not small.accepted and large.accepted and large.cells > small.cells


def test_not_finite_fields_are_refused():
    assert not estimate(heat(), lambda points, request: np.full((len(points), len(request)), np.nan)).accepted


def test_narrow_errors_on_the_wall_of_a_plate_are_refused():
    """Their defects in the equation and at the wall nearly cancel: half resolved, the estimate is eighty times too large."""
    problem = shipped("biharmonic")
    solution = with_bump(problem, parse("1e-4*exp(-((x - 1)/0.0375)**2 - ((y - 0.6)/0.0423)**2)"))
    found = estimate(problem, solution, ErrorEstimate(size=0.5))
    assert not found.accepted


def test_conditions_on_parts_of_a_wall_are_probed_there():
    text = {
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "unknowns": ["u"], "equations": {"p": "laplacian(u) = 0"}, "manufactured": True,
        "exact": "sin(x + 2*y)", "conditions": {
            "low": {"at": "x = 0 and y < 0.5", "u": "exact"}, "high": {"at": "x = 0 and y >= 0.5", "u_n": "exact"},
            "rest": {"at": "not x = 0", "u": "exact"}},
    }  # fmt: skip
    problem = from_text(**text)
    found = estimate(problem, perturbed(problem, 1e-3))
    assert found.accepted and 0.8 < found.worst / true_error(problem, perturbed(problem, 1e-3))["u"] < 1.25
    hidden = with_bump(problem, parse("0.1*exp(-((y - 0.271)/0.003)**2)*(1 - x)**8"))
    assert not Estimator(problem).quick(hidden).accepted


def test_equations_with_integrals_are_refused():
    problem = heat(equations={"heat": "u_t = 0.4*u_xx + mean(u)"}, manufactured=True)
    found = estimate(problem, perturbed(problem, 1e-3))
    assert not found.accepted and "integral" in found.why


def test_grids_that_are_singular_by_rounding_only_are_not_the_reason():
    """Finer and finer grids for fourth derivatives end as singular to rounding: that says nothing about the problem."""
    problem = shipped("beam")
    found = estimate(problem, with_bump(problem, parse("1e-6*sin(300*x)")))
    assert not found.accepted and found.cells > 12 and "singular" not in found.why


@pytest.mark.parametrize("name", ["beam", "poisson_1d"])
def test_errors_of_the_size_of_rounding_are_not_estimated(name):
    problem = shipped(name)
    found = estimate(problem, perturbed(problem, 1e-14))
    assert not found.accepted and ("rounding" in found.why or "disagree" in found.why)
    assert found.record()["relative_l2"] is None
