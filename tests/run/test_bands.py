"""Functions that noisy observations determine: their standard errors on the grid, and what equations weigh beside observations."""

import numpy as np
import pytest

import pinn
from pinn.problem.language import read_problem
from pinn.problem.sizes import typical_size
from pinn.report.figures import make_figures
from pinn.report.settings import Report

SOURCE = {
    "coordinates": {"x": [-1, 1]}, "unknowns": ["u", "q"], "equations": {"elliptic": "u_xx = q"},
    "conditions": {"ends": {"at": "boundary", "u": 0}},
    "data": {
        "seen": {"points": {"x": [-1, 1, 40]}, "u": "exact", "add_noise": 0.01},
        "smoothness": {"points": {"x": [-1, 1, 41]}, "q_xx": 0, "noise": 440},
    },
    "exact": {"u": "sin(pi*x)", "q": "-pi**2*sin(pi*x)"},
}  # fmt: skip

PLATE = {
    "coordinates": {"x": [0, 1], "t": [0, 1]}, "unknowns": {"u": {}, "a": {"of": ["x"]}},
    "equations": {"heat": "u_t = diff(a*u_x, x) + 1"}, "conditions": {"ends": {"at": "boundary", "a": 1}},
    "data": {"seen": {"points": 50, "u": "x*t", "noise": 0.1}},
}  # fmt: skip


def solved(text, tmp_path, steps, *words):
    usual = (f"solver.stages.broyden.steps={steps}", "network.width=8", "network.depth=2", "report=none", "reference=auto")
    return pinn.solve(text, *usual, *words, folder=tmp_path / "run", quiet=True)


def stored(result):
    with np.load(result.folder / "solution.npz") as arrays:
        return dict(arrays)


def test_bands_hold_the_truth_and_are_drawn(tmp_path):
    result = solved(SOURCE, tmp_path, 300, "points.interior=200")
    found = stored(result)
    for name, typical in (("u", 0.005), ("q", 0.8)):
        error, spread = found[f"{name}.error"], found[f"{name}.standard_error"]
        assert typical / 4 < np.sqrt(np.mean(spread**2)) < 4 * typical
        assert np.mean(np.abs(error) < 3 * spread) > 0.8
    assert found["u.standard_error"][0] < 1e-2 * found["u.standard_error"].max()  # the condition holds it
    assert len(make_figures(result.folder, Report(figures=("solution",), animation=False))) == 2


def test_without_stated_noise_there_are_no_bands(tmp_path):
    exact = {"seen": {"points": {"x": [-1, 1, 40]}, "u": "exact"}}
    assert "q.standard_error" not in stored(solved({**SOURCE, "data": exact}, tmp_path, 2))


def test_functions_of_fewer_coordinates_have_bands_that_do_not_vary_along_the_others(tmp_path):
    result = solved(PLATE, tmp_path, 2, "points.interior=64", "points.surface=8")
    found = stored(result)
    spread = found["a.standard_error"]
    assert spread.shape == found["a"].shape == found["u.standard_error"].shape
    np.testing.assert_array_equal(spread, np.broadcast_to(spread[:, :1], spread.shape))
    assert np.ptp(spread[:, 0]) > 0
    assert make_figures(result.folder, Report(figures=("solution",), animation=False))


@pytest.mark.parametrize("sought", ["number", "function"])
def test_equations_are_divided_by_their_size_where_numbers_are_found(tmp_path, sought):
    text = {
        "coordinates": {"t": [0, 1]}, "unknowns": {"u": {}, "k": {"of": []}}, "equations": {"decay": "u_t = -100*k*u"},
        "conditions": {"start": {"at": "t = 0", "u": 3}},
        "data": {"seen": {"points": {"t": [0, 1, 5]}, "u": "3*exp(-t)"}},
    }  # fmt: skip
    text = {**text, "unknowns": ["u", "k"]} if sought == "function" else text
    weights = solved(text, tmp_path, 2, "solver=adam_broyden").metrics["weights"]
    problem = read_problem(text)
    size = typical_size(problem, problem.equations[0])
    assert size > 50
    assert weights["decay"] == pytest.approx(size**-2 if sought == "number" else 1.0)
    assert weights["start"] == 100 and weights["data.seen"] == 1
