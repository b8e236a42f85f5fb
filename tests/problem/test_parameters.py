"""Parameters: their columns, distributions and derivatives; members of families; points; what is refused."""

import heat_family
import numpy as np
import pytest
from heat_family import exact
from scipy import integrate, stats

from pinn.problem.families import Member, columns_of, derivative_by_values, member, values_by_name
from pinn.problem.language import read_problem
from pinn.problem.parameters import Parameter
from pinn.problem.points import Points
from pinn.problem.quantities import evaluate_quantity
from pinn.problem.settings import BadInput

HEAT = {
    **heat_family.HEAT,
    "quantities": {
        "flux": "u_x(x=1, t=0.1)",
        "slope": "u_a(x=0.5, t=0.1)",
        "curve": "u_aa(x=0.5, t=0.1)",
        "there": "u(x=0.5, t=0.1, a=0.5)",
    },
}
NORMAL = Parameter("y", 2 - 4 * 0.5, 2 + 4 * 0.5, "linear", "normal", 2.0, 0.5)
LOG = Parameter("a", 0.1, 1.0, "log")


def family(**changes):
    return read_problem({**HEAT, **changes})


def test_a_parameter_is_a_coordinate_that_is_neither_space_nor_time():
    problem = family()
    assert problem.names == ("x", "t", "a") and problem.space == ("x",) and problem.time == "t" and problem.num_plain == 2
    np.testing.assert_allclose(problem.box[2], np.log([0.1, 1]))
    for residual in problem.residuals:
        assert all("a" in piece.free for piece in residual.region)
    assert {piece.fixed for piece in problem.residuals[2].region} == {(("x", 0.0),), (("x", 1.0),)}


def test_vectors_have_components():
    text = {
        "coordinates": {"x": [0, 1]}, "parameters": {"y": {"uniform": [-1, 1], "dimension": 3}, "c": [1, 2]}, "unknowns": ["u"],
        "equations": {"line": "u_xx = sum(y) + c*y2"}, "conditions": {"ends": {"at": "boundary", "u": 0}},
    }  # fmt: skip
    problem = read_problem(text)
    assert problem.names == ("x", "y1", "y2", "y3", "c")
    values = values_by_name(problem, {"y": [0.1, 0.2, 0.3], "c": 1.5})
    assert values == {"y1": 0.1, "y2": 0.2, "y3": 0.3, "c": 1.5} == values_by_name(problem, values)
    plain = member(problem, values)
    assert plain.names == ("x",) and plain.source["constants"] == {"y": [0.1, 0.2, 0.3], "y2": 0.2, "c": 1.5}


def test_the_exact_solution_of_a_family_is_that_of_its_members():
    problem = family()
    points = np.random.default_rng(0).uniform([0, 0], [1, 0.5], (50, 2))
    plain = member(problem, {"a": 0.3})
    assert set(plain.quantities) == {"flux"}
    own = Member(problem, lambda points, request: problem.exact_values(request, points), [np.log(0.3)])
    for operator in ((0, 0), (1, 0), (0, 2)):
        request = (("u", (operator,)),)
        np.testing.assert_allclose(own(points, request), plain.exact_values(request, points), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(own(points)[:, 0], exact(*points.T, 0.3), rtol=1e-12, atol=1e-15)


def test_quantities_know_derivatives_by_values():
    problem = family()
    axes = (np.zeros(1), np.zeros(1), np.log([0.1, 0.3, 1.0]))
    a, decay = np.array([0.1, 0.3, 1.0]), 0.1 * np.pi**2

    def solution(points, request):
        return problem.exact_values(request, points)

    expected = {
        "flux": -np.pi * np.exp(-decay * a), "slope": -decay * np.exp(-decay * a), "curve": decay**2 * np.exp(-decay * a),
        "there": np.exp(-decay * 0.5),
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(evaluate_quantity(problem, name, solution, axes), values, rtol=1e-12)
    points = np.array([[0.5, 0.1, np.log(0.3)]])
    found = derivative_by_values(problem, solution, points, "u", (0, 1, 2))
    u = exact(0.5, 0.1, 0.3)
    np.testing.assert_allclose(found, (2 * np.pi**2 * decay - np.pi**2 * 0.3 * decay**2) * u, rtol=1e-12)


def test_factors_of_derivatives_by_values_follow_from_differences():
    """Of f(a) = sin(log a)·a³, by Taylor coefficients of f in log a."""
    s = np.array([-1.0, 0.4])
    by_column = [lambda s: np.sin(s) * np.exp(3 * s), lambda s: (np.cos(s) + 3 * np.sin(s)) * np.exp(3 * s)]
    by_column.append(lambda s: (8 * np.sin(s) + 6 * np.cos(s)) * np.exp(3 * s))
    found = sum(factor * slope(s) for factor, slope in zip(LOG.slope_factors(2, s), by_column, strict=True))
    a, h = np.exp(s), 1e-4

    def f(a):
        return np.sin(np.log(a)) * a**3

    np.testing.assert_allclose(found, (f(a + h) - 2 * f(a) + f(a - h)) / h**2, rtol=1e-5)


@pytest.mark.parametrize("power", [1, 2, 5])
def test_quadrature_and_places_have_the_moments_of_the_distribution(power):
    nodes, weights = NORMAL.quadrature(9)
    assert len(nodes) == 7 and (np.abs(nodes - 2) < 4 * 0.5).all()
    assert weights @ nodes**power == pytest.approx(stats.norm(2, 0.5).moment(power), rel=1e-12)
    unit = (np.arange(20001) + 0.5) / 20001
    assert np.mean(NORMAL.place(unit) ** power) == pytest.approx(stats.norm(2, 0.5).moment(power), rel=2e-3)
    nodes, weights = LOG.quadrature(12)
    mean = integrate.quad(lambda s: np.exp(power * s), *LOG.ends)[0] / np.ptp(LOG.ends)
    assert weights @ np.exp(nodes) ** power == pytest.approx(mean, rel=1e-12)
    np.testing.assert_allclose(LOG.value(LOG.column(np.array([0.1, 0.5, 1.0]))), [0.1, 0.5, 1.0], rtol=1e-14)


def test_points_are_drawn_by_the_distribution():
    text = {**HEAT, "parameters": {"a": {"normal": [1, 0.1]}}, "exact": None, "quantities": None}
    drawn = Points(interior=4096, surface=1024).draw(read_problem(text), 0)
    for name in ("heat", "initial", "walls"):
        column = drawn[name].points[:, 2]
        assert abs(column.mean() - 1) < 0.003 and abs(column.std() - 0.1) < 0.003, name
        assert stats.kstest(column, stats.norm(1, 0.1).cdf).statistic < 0.02
    even = Points(interior=4096).draw(family(), 0)["heat"].points[:, 2]
    assert stats.kstest(even, stats.uniform(np.log(0.1), np.log(10)).cdf).statistic < 0.02


def test_columns_of_names():
    problem = family()
    np.testing.assert_allclose(columns_of(problem, {"a": 0.2}), [np.log(0.2)])
    points = np.array([[0.1, 0.2, np.log(0.3)]])
    np.testing.assert_allclose(problem.values_of(points), [[0.1, 0.2, 0.3]])
    np.testing.assert_allclose(problem.columns_of(problem.values_of(points)), points)


BAD = [
    ({"a": [1, 0.1]}, {}, "the lower bound must be below the upper bound"),
    ({"a": [-1e308, 1e308]}, {}, "the range must be finite"),
    ({"a": {"range": [-1, 1], "scale": "log"}}, {}, "scale: log needs a range above 0, got [-1, 1]"),
    ({"a": {"range": [1, 2], "scale": "logarithmic"}}, {}, "scale must be linear or log"),
    ({"a": {"uniform": [1, 2], "scale": "log"}}, {}, "scale: log goes with range"),
    ({"a": {"normal": [1, 0]}}, {}, "the standard deviation must be greater than 0, got 0"),
    ({"a": {"normal": 3}}, {}, "normal is a list of two numbers"),
    ({"a": {"normal": [1, 1], "range": [0, 1]}}, {}, "got range and normal"),
    ({"a": {"rage": [0, 1]}}, {}, "did you mean 'range'?"),
    ({"a": {"uniform": [0, 1], "dimension": 0}}, {}, "dimension must be a whole number"),
    ({"a": [0.1, 1], "x": [0, 1]}, {}, "the name 'x' is already declared"),
    ({"a": [0.1, 1]}, {"constants": {"a": 1}}, "the name 'a' is already declared in parameters"),
    ({"a": [0.1, 1]}, {"constants": {"b": "2*a"}}, "'a' is a parameter, which has no single value"),
    ({"a": [0.1, 1]}, {"coordinates": {"x": [0, "a"], "t": [0, 1]}}, "'a' is a parameter, which has no single value"),
    ({"a": [0.1, 1], "bb": [0, 1]}, {}, "parameter 'bb' is never used"),
    ({"a": [0.1, 1]}, {"equations": {"heat": "u_t = a*u_xx + u_a"}}, "different values of the parameter 'a'"),
    ({"a": [0.1, 1]}, {"equations": {"heat": "u_t = a*u_xx + u(a=0.5)"}}, "different values of the parameter 'a'"),
    ({"a": [0.1, 1]}, {"quantities": {"q": "u(a=5)"}}, "a is between 0.1 and 1"),
    ({"a": [0.1, 1]}, {"quantities": {"q": "integral(u, a, 0.1, 1)"}}, "integrals run over other coordinates"),
    ({"a": [0.1, 1]}, {"conditions": {"start": {"at": "a = 0.1", "u": 0}}}, "regions are the same for all its values"),
    ({"a": [0.1, 1]}, {"time": "a"}, "'a' is not a coordinate"),
    ({"a": [0.1, 1]}, {"exact": "exp(-pi**2*t)*sin(pi*x)"}, "does not satisfy 'heat'"),
]


@pytest.mark.parametrize(("parameters", "changes", "words"), BAD)
def test_bad_parameters_are_refused_in_one_line(parameters, changes, words):
    with pytest.raises(BadInput) as caught:
        family(**{"parameters": parameters, "quantities": None, "exact": None, **changes})
    assert words in str(caught.value).splitlines()[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [({"b": 1}, "'b' is not a parameter"), ({"a": 3}, "outside the range"), ({"a": [0.2, 0.3]}, "takes 1 number")],
)
def test_values_outside_a_family_are_refused(values, words):
    with pytest.raises(BadInput, match=words):
        values_by_name(family(), values)
    with pytest.raises(BadInput, match="parameter a is missing"):
        member(family(), {})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unknowns": {"u": None, "c": {"of": []}}, "equations": {"heat": "u_t = a*u_xx + c"}, "data": {"d": {"points": 5, "u": 1, "noise": 0.1}}}, "parameters together with"),
        ({"unknowns": {"u": {"of": ["x", "t"]}}}, "unknowns of fewer coordinates"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_parameters_is_said(changes, words):
    with pytest.raises(BadInput, match=words):
        family(**{"quantities": None, "exact": None, **changes})
