"""A family judged member by member, and what it says of its parameters, against formulas."""

import heat_family
import numpy as np
import pytest
from scipy import stats

from pinn.judge.estimate import Estimate
from pinn.judge.families import estimates_on_grid, judged, judged_columns, together
from pinn.judge.settings import NoReferenceWanted
from pinn.judge.statistics import dependence, fields, quadrature, samples, sensitivity, statistics
from pinn.problem.language import read_problem

HEAT = {**heat_family.HEAT, "quantities": {"peak": "u(x=0.5, t=0.1)"}}
SUM = {
    "coordinates": {"x": [0, 1]},
    "parameters": {"y": {"normal": [1, 0.5], "dimension": 2}, "c": {"uniform": [0, 2]}},
    "unknowns": ["u"],
    "equations": {"line": "u_x = y1 + 2*y2 + c"},
    "conditions": {"start": "u(x=0) = 0"},
    "exact": "x*(y1 + 2*y2 + c)",
    "quantities": {"end": "u(x=1)", "square": "u(x=1)**2", "all": "u"},
}


def withheld(problem, solution):
    return Estimate(False, "not wanted")


def bent(problem, size):
    """The exact solution times 1 + size·s, where s is 0 at the lowest column of the first parameter and 1 at its highest."""
    low, high = problem.box[problem.num_plain]

    def solution(points, request):
        part = (points[:, problem.num_plain] - low) / (high - low)
        return problem.exact_values(request, points) * (1 + size * part)[:, None]

    return solution


@pytest.mark.parametrize("settings", [None, "finite differences"])
def test_the_error_of_every_member_is_found_and_the_worst_is_named(settings):
    text = HEAT if settings is None else {**HEAT, "exact": None}
    problem, truth = read_problem(text), read_problem(HEAT)
    rows = judged(problem, bent(truth, 1e-3), None, withheld, 1e-2)
    columns = judged_columns(problem)[:, 0]
    expected = 1e-3 * (columns - columns[0]) / np.ptp(columns)
    found = [row.found.relative_l2["u"] for row in rows]
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-3)
    whole = together(problem, rows)
    kind = "exact" if settings is None else "finite_difference"
    assert whole.truth.kind == kind and whole.worst.values["a"] == pytest.approx(1.0)
    sizes = [np.linalg.norm(row.found.solution["u"]) for row in rows]
    over_all = np.linalg.norm(expected * sizes) / np.linalg.norm(sizes)
    assert whole.found.relative_l2["u"] == pytest.approx(over_all, rel=0.02)
    if settings is None:
        assert whole.verdict.verdict == "verified" and whole.verdict.error == pytest.approx(over_all, rel=0.02)
        assert "1.0e-03 at a = 1" in whole.verdict.reasons[0]
    assert whole.found.solution["u"].shape == (101, 101, 5)
    np.testing.assert_array_equal(whole.found.axes[2], columns)


def test_a_member_that_misses_makes_the_family_miss():
    problem = read_problem(HEAT)
    whole = together(problem, judged(problem, bent(problem, 1e-2), None, withheld, 9e-3))
    assert whole.verdict.error < 9e-3 < whole.worst.verdict.error
    assert whole.verdict.verdict == "not verified" and whole.verdict.missed
    assert whole.verdict.reasons[0].startswith("at a = 1: the error 1.0e-02 is above the target")


def test_without_reference_the_estimates_of_members_count():
    problem = read_problem({**HEAT, "exact": None})

    def estimate(plain, solution):
        return Estimate(True, "", {"u": plain.source["constants"]["a"] * 1e-3}, error={"u": _Constant()})

    rows = judged(problem, bent(read_problem(HEAT), 0), NoReferenceWanted(), estimate, None)
    whole = together(problem, rows)
    assert whole.verdict.source == "estimate" and whole.worst.verdict.error == pytest.approx(1e-3)
    assert 1e-4 < whole.verdict.error < 1e-3 and whole.truth.kind == "none"
    assert estimates_on_grid(problem, rows)["u"].shape == (101, 101, 5)
    alone = together(problem, judged(problem, bent(read_problem(HEAT), 0), NoReferenceWanted(), withheld, None))
    assert alone.verdict.verdict == "not verified" and alone.worst is None and "at a = 0.1" in alone.verdict.reasons[0]


class _Constant:
    def on_grid(self, axes, width=8):
        return np.ones([len(axis) for axis in axes])


def test_several_parameters_are_judged_where_they_are_likely():
    problem = read_problem(SUM)
    columns = judged_columns(problem)
    assert columns.shape == (5, 3) and len(np.unique(columns[:, 0])) == 5
    rows = judged(problem, bent(problem, 0), None, withheld, None)
    whole = together(problem, rows)
    assert whole.verdict.verdict == "verified" and whole.found.solution["u"].shape == (1001,)
    assert [len(axis) for axis in whole.found.axes] == [1001, 1, 1, 1]


def exact(problem):
    return lambda points, request: problem.exact_values(request, points)


def test_mean_variance_and_quantiles_of_a_sum():
    """y1 + 2 y2 + c has the mean 4 and the variance 0.25 + 1 + 1/3."""
    problem = read_problem(SUM)
    found = statistics(problem, exact(problem))
    assert set(found) == {"end", "square"}
    variance = 1.25 + 1 / 3
    assert found["end"]["mean"] == pytest.approx(4, rel=1e-12) and found["end"]["variance"] == pytest.approx(variance, rel=1e-12)
    assert found["square"]["mean"] == pytest.approx(16 + variance, rel=1e-12)
    rng = np.random.default_rng(0)
    many = rng.normal(1, 0.5, 10**6) + 2 * rng.normal(1, 0.5, 10**6) + rng.uniform(0, 2, 10**6)
    for part, value in found["end"]["quantiles"].items():
        assert value == pytest.approx(np.quantile(many, float(part)), abs=0.02)
    arrays = fields(problem, exact(problem))
    x = np.linspace(0, 1, 101)
    np.testing.assert_allclose(arrays["u.mean"], 4 * x, atol=1e-12)
    np.testing.assert_allclose(arrays["u.std"], np.sqrt(variance) * x, atol=1e-7)
    np.testing.assert_allclose(arrays["u.0.5"], np.median(many) * x, atol=0.05)


def test_many_parameters_have_a_sobol_sequence():
    problem = read_problem({**SUM, "parameters": {**SUM["parameters"], "y": {"normal": [1, 0.5], "dimension": 6}},
                            "equations": {"line": "u_x = sum(y) + c"}, "exact": "x*(sum(y) + c)"})  # fmt: skip
    columns, weights = quadrature(problem)
    assert columns.shape == (4096, 7) and weights.sum() == pytest.approx(1)
    found = statistics(problem, exact(problem))["end"]
    assert found["mean"] == pytest.approx(7, abs=2e-3) and found["variance"] == pytest.approx(1.5 + 1 / 3, rel=0.02)
    drawn = samples(problem, 1024)
    assert stats.kstest(drawn[:, 3], stats.norm(1, 0.5).cdf).statistic < 0.02


def test_dependence_and_sensitivity():
    problem = read_problem(SUM)
    found = dependence(problem, exact(problem))
    y = found["y2"]
    np.testing.assert_allclose(y, np.linspace(-1, 3, 41))
    curves, mean = found["end.y2"], found["end.y2.mean"]
    assert curves.shape == (24, 41)
    np.testing.assert_allclose(np.diff(curves, axis=1), 2 * np.diff(y)[0], rtol=1e-9)
    np.testing.assert_allclose(mean, curves.mean(axis=0))
    assert abs(mean[20] - 4) < 0.3 and "all.y1" not in found
    slopes = sensitivity(problem, exact(problem))
    np.testing.assert_allclose(slopes["u_y2"], 2 * np.linspace(0, 1, 101), atol=1e-12)
    heat = read_problem(HEAT)
    slope = sensitivity(heat, exact(heat))["u_a"]
    x, t = np.meshgrid(np.linspace(0, 1, 33), np.linspace(0, 0.5, 33), indexing="ij")
    a = np.sqrt(0.1)
    np.testing.assert_allclose(slope, -(np.pi**2) * t * np.exp(-(np.pi**2) * a * t) * np.sin(np.pi * x), atol=1e-12)
    assert set(dependence(heat, exact(heat))) == {"a", "peak.a", "peak.a.mean", "u.a", "u.a.mean"}
