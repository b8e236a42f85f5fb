"""Inverse problems from their text to the numbers that were found."""

import json

import numpy as np
import pytest

import pinn
from pinn.problem.language import read_problem
from pinn.report.figures import make_figures
from pinn.report.page import write_page
from pinn.report.settings import Report
from pinn.run.inverse import judged_problem, misfits, unmatched
from pinn.solver.choose import choose

DIFFUSION = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "unknowns": {"u": {}, "C": {"of": [], "start": 2}},
    "equations": {"diffusion": "u_t = C*u_xx - exp(-t)*(1 - pi**2)*sin(pi*x)"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "ends": {"at": "boundary", "u": 0}},
    "data": {"sensors": {"points": {"x": [-0.9, 0.9, 10], "t": [0.2, 1, 5]}, "u": "exact", "add_noise": 0.005}},
    "exact": {"u": "sin(pi*x)*exp(-t)", "C": 1},
}

DECAY = {
    "coordinates": {"t": [0, 2]}, "unknowns": {"u": {}, "k": {"of": [], "start": 0.3, "positive": True}},
    "equations": {"decay": "u_t = -k*u"}, "conditions": {"start": {"at": "t = 0", "u": 1}},
    "data": {"seen": {"points": {"t": [0.1, 2, 20]}, "u": "exp(-1.7*t)", "add_noise": 0.01}},
}  # fmt: skip

QUICK = ("report=none", "reference=none", "threads=1")


def solved(text, tmp_path, *words, name="run"):
    return pinn.solve(text, *QUICK, *words, folder=tmp_path / name, quiet=True)


def fitted_rate(problem):
    """Return the rate that fits the observations of `DECAY` best, and its standard error, by another way."""
    from scipy.optimize import curve_fit

    (seen,) = problem.data
    rate, variance = curve_fit(lambda t, k: np.exp(-k * t), seen.points[:, 0], seen.values, 1.0, np.full(20, 0.01), True)
    return rate[0], np.sqrt(variance[0, 0])


def test_a_number_is_found_with_the_error_of_nonlinear_regression(tmp_path):
    result = solved(DECAY, tmp_path)
    rate, error = fitted_rate(result.problem)
    found = result.metrics["unknowns"]["k"]
    assert result.metrics["solver"] == "least_squares"
    assert result.numbers["k"] == pytest.approx(rate, abs=4e-5 * error)
    assert found["standard_error"] == pytest.approx(error, rel=1e-4)
    assert found["interval"][0] < 1.7 < found["interval"][1]
    assert result.verdict == "verified"
    assert "at the numbers that were found" in result.metrics["verdict_reasons"][-1]
    assert f"k = {rate:.4g}"[:7] in str(result)


def test_a_trained_network_finds_the_same_number_and_the_same_error(tmp_path):
    result = solved(DECAY, tmp_path, "solver=adam_broyden", "network.width=12")
    rate, error = fitted_rate(result.problem)
    assert result.numbers["k"] == pytest.approx(rate, abs=0.1 * error)
    assert result.metrics["unknowns"]["k"]["standard_error"] == pytest.approx(error, rel=0.1)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path):
    held = 0
    for seed in range(20):
        text = {**DIFFUSION, "data": {"sensors": {**DIFFUSION["data"]["sensors"], "seed": seed}}}
        low, high = solved(text, tmp_path, name=f"{seed}").metrics["unknowns"]["C"]["interval"]
        held += low <= 1 <= high
    assert held >= 17  # 95 % of 20 are 19; 16 or fewer have a chance of 0.3 %


def test_exact_observations_give_exact_numbers(tmp_path):
    sensors = {"points": {"x": [-1, 1, 10], "t": 1}, "u": "exact"}
    result = solved({**DIFFUSION, "data": {"sensors": sensors}}, tmp_path)
    assert result.numbers["C"] == pytest.approx(1.0, abs=1e-9)
    assert result.metrics["unknowns"]["C"]["relative_l2"] < 1e-9


def test_observations_that_no_number_explains_are_never_verified(tmp_path):
    text = {**DECAY, "data": {"seen": {"points": {"t": [0.1, 2, 20]}, "u": "exp(-t)*(1 + t)", "noise": 0.01}}}
    result = solved(text, tmp_path, "solver=least_squares")
    assert result.verdict == "not verified"
    assert any("'data.seen' is not matched: the misfit is" in reason for reason in result.metrics["verdict_reasons"])


def test_numbers_that_act_alike_are_reported(tmp_path):
    text = {**DECAY, "unknowns": {"u": {}, "k": {"of": []}, "m": {"of": []}}, "equations": {"decay": "u_t = -(k + m)*u"}}
    result = solved(text, tmp_path)
    assert result.verdict == "not verified"
    assert any("cannot tell k and m apart" in reason for reason in result.metrics["verdict_reasons"])
    assert result.metrics["unknowns"]["k"]["standard_error"] is None


def test_a_resumed_search_ends_where_a_straight_one_does(tmp_path):
    from pinn.run.compose import Source, compose
    from pinn.run.prepare import prepare_settings
    from pinn.run.setup import set_up
    from pinn.solver.state import State

    prepared = prepare_settings(compose(Source("decay", problem=DECAY), ["threads=1"]))
    straight = [state.theta.tolist() for state in set_up(prepared).states(set_up(prepared).first_state(), None)]
    first = next(iter(set_up(prepared).states(set_up(prepared).first_state(), None)))
    again = set_up(prepared, dict(first.decisions))
    *_, last = again.states(State.from_dict(first.to_dict()), None)
    assert last.theta.tolist() == straight[-1]


def test_functions_and_numbers_that_follow_from_no_condition_are_found_by_a_network(tmp_path):
    text = {
        "coordinates": {"x": [-1, 1]}, "unknowns": ["u", "q"], "equations": {"elliptic": "u_xx = q"},
        "conditions": {"ends": {"at": "boundary", "u": 0}},
        "data": {"sensors": {"points": {"x": [-1, 1, 40]}, "u": "sin(pi*x)"}},
        "exact": {"u": "sin(pi*x)", "q": "-pi**2*sin(pi*x)"},
    }  # fmt: skip
    result = solved(text, tmp_path, "network.width=12", "solver.until.error=1e-3", "reference=exact")
    assert result.metrics["solver"] == "adam+broyden"
    assert result.metrics["unknowns"]["q"]["relative_l2"] < 2e-2


def test_which_solver_suits():
    assert choose(read_problem(DIFFUSION)).solver == "least_squares"
    assert choose(read_problem({**DIFFUSION, "data": {}})).solver == "adam_broyden"
    free = {**DIFFUSION["conditions"], "ends": {"at": "boundary", "free": "u"}}
    assert choose(read_problem({**DIFFUSION, "conditions": free})).solver == "adam_broyden"


def test_least_squares_in_cells_are_refused_where_numbers_are_not_all_that_is_sought(tmp_path):
    free = {**DIFFUSION["conditions"], "ends": {"at": "boundary", "free": "u"}}
    with pytest.raises(pinn.BadInput, match="only where all else follows from them: u is free on a part of the boundary"):
        solved({**DIFFUSION, "conditions": free}, tmp_path, "solver=least_squares")


def test_a_solution_is_judged_by_the_problem_at_its_numbers():
    class Solution:
        numbers = {"k": 1.7}

        def __call__(self, points, request, side=None):
            return np.exp(-1.7 * points[:, :1]) * np.ones(len(request))

    problem = read_problem(DECAY)
    assert judged_problem(problem, Solution()).unknown_names == ("u",)
    assert judged_problem(read_problem({**DECAY, "exact": {"u": "exp(-1.7*t)", "k": 1.7}}), Solution()).unknown_names == ("u", "k")
    found = misfits(problem, Solution())
    assert 0.005 < found["data.seen"]["misfit"] < 0.02
    assert not unmatched(problem, found)
    worse = {"data.seen": {**found["data.seen"], "misfit": 0.03}}
    assert unmatched(problem, worse) == ["'data.seen' is not matched: the misfit is 3.0 times the stated noise"]


def test_figures_and_page_show_numbers_and_observations(tmp_path):
    result = solved(DECAY, tmp_path)
    drawn = {path.stem for path in make_figures(result.folder, Report(figures=("observations", "profile"), animation=False))}
    assert drawn == {"observations", "profile"}
    page = write_page(result.folder).read_text()
    assert "Unknown numbers" in page
    metrics = json.loads((result.folder / "metrics.json").read_text())
    profile = metrics["profiles"]["k"]
    assert profile["increase"][3] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(profile["increase"], [9, 4, 1, 0, 1, 4, 9], rtol=0.3, atol=1e-9)
    assert "k" not in np.load(result.folder / "solution.npz")
