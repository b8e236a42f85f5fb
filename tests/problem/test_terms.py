"""Terms at points: images, integrals and the vanishing of exact solutions."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term


def ode(**changes):
    return {"coordinates": {"t": [0, 2]}, "unknowns": ["u"], "conditions": {"start": {"at": "t = 0", "u": 1}}, **changes}


def residual_of(problem, values, points, index=0):
    term = make_term(problem, problem.residuals[index], Sites(points))
    columns = [
        np.stack([values(image.sites.points, unknown, operator) for unknown, operator in image.request], axis=1)
        for image in term.images
    ]
    return np.asarray(term.evaluate(columns)), term


def test_an_integral_to_a_moving_end_is_gauss_legendre_at_every_row():
    text = ode(equations={"volterra": "u_t + u = integral(exp(s - t)*u(t=s), s, 0, t)"}, exact="exp(-t)*cosh(t)")
    problem = read_problem(text)
    points = np.linspace(0.1, 1.9, 7)[:, None]
    exact = lambda p, unknown, operator: problem.exact_values(((unknown, operator),), p)[:, 0]  # noqa: E731
    defect, term = residual_of(problem, exact, points)
    assert np.abs(defect).max() < 1e-14
    assert [len(image.sites.points) for image in term.images] == [7, 7 * 24]


def test_the_variable_of_an_integral_may_be_a_coordinate():
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1]},
            "unknowns": ["y"],
            "equations": {"ide": "integral(y, x, 0, x) + y_x = 2*pi*cos(2*pi*x) + sin(pi*x)**2/pi"},
            "conditions": {"start": {"at": "x = 0", "y": 0}},
            "exact": "sin(2*pi*x)",
        }
    )
    assert problem.exact


def test_a_mean_is_one_row_over_the_whole_domain():
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1], "y": [0, 1]},
            "unknowns": ["u"],
            "equations": {"poisson": "-laplacian(u) = 2*pi**2*cos(pi*x)*cos(pi*y)"},
            "conditions": {"walls": {"at": "boundary", "u_n": 0}, "level": "mean(u + x) = 1/2"},
            "exact": "cos(pi*x)*cos(pi*y)",
        }
    )
    (defect, term) = residual_of(problem, lambda p, *_: p[:, 0] * p[:, 1], np.zeros((1, 2)), index=2)
    assert term.num_rows == 1 and len(term.images[0].sites.points) == 24**2
    assert defect == pytest.approx([0.25], abs=1e-14)


def test_normals_enter_from_the_sites():
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1], "y": [0, 1]},
            "unknowns": ["u"],
            "equations": {"poisson": "-laplacian(u) = 0"},
            "conditions": {"walls": {"at": "boundary", "u_n + u": 0}},
        }
    )
    points = np.array([[0.0, 0.5], [0.5, 1.0]])
    term = make_term(problem, problem.conditions[0], Sites(points, np.array([[-1.0, 0.0], [0.0, 1.0]])))
    ((_, request),) = term.images
    slopes = {(0, 0): 10.0, (1, 0): 2.0, (0, 1): 3.0}
    columns = np.array([[slopes[operator[0]] for _, operator in request]] * 2)
    assert term.evaluate([columns]).tolist() == [8.0, 13.0]


def test_evaluated_quantities_read_another_image():
    problem = read_problem(ode(equations={"delay": "u_t = -u(t=t/2)"}))
    _, term = residual_of(problem, lambda p, *_: p[:, 0], np.array([[1.0], [2.0]]))
    assert sorted(image.sites.points[:, 0].tolist() for image in term.images) == [[0.5, 1.0], [1.0, 2.0]]
    with pytest.raises(BadInput, match="delay looks up an unknown at t=3, outside its range 0 to 2"):
        make_term(problem, problem.equations[0], Sites(np.array([[6.0]])))


@pytest.mark.parametrize("text", ["u(t=t-1)", "integral(u(t=s), s, 0, 3)", "integral(u(t=s), s, 0, t + 1)"])
def test_a_problem_that_looks_beyond_the_box_is_refused_when_it_is_read(text):
    with pytest.raises(BadInput, match="looks up an unknown at t=[-0-9.]+, outside its range 0 to 2"):
        read_problem(ode(equations={"delay": f"u_t = -{text}"}))


@pytest.mark.parametrize("text", ["integral(s*u(t=s), s, 0, t)", "integral(t*u, t, 0, t)"])
def test_an_integral_is_differentiated_by_its_end(text):
    problem = read_problem(ode(equations={"e": f"u_t = 2*t + diff({text}, t) - t*u"}, exact="1 + t**2"))
    defect, _ = residual_of(problem, lambda p, u, index: problem.exact_values(((u, index),), p)[:, 0], np.array([[0.5], [1.7]]))
    assert np.abs(defect).max() < 1e-14


def test_where_hides_the_branch_not_taken():
    problem = read_problem(ode(equations={"delay": "u_t = -where(t < 1, 1, u(t=t-1))"}))
    defect, term = residual_of(problem, lambda p, u, operator: np.full(len(p), 5.0), np.array([[0.5], [1.5]]))
    assert defect.tolist() == [6.0, 10.0]
    assert [0.5, 0.5] in [image.sites.points[:, 0].tolist() for image in term.images]


FORMULAS = {
    "linear": "u_t = (1 + t)*u_xx - 3*u",
    "product": "u*u_x + u_t*u_xx = sin(u)*x",
    "quotient": "u_t/(1 + u**2) = exp(u_x) + abs(u)**1.5",
    "elsewhere": "u_t = u(x=0)*u + u_x(x=1-x)**2",
    "one integral": "u_t = u*integral(u**2*u_x, x, 0, 1)",
    "two integrals": "u_t = integral(x*u, x, 0, 1)*integral(exp(s - t)*u(t=s)**2, s, 0, t) + u(x=0)",
    "by pieces": "u_t = max(u, u_x) + where(u > 0, u**2, min(u_xx, 0.1)) + u_x*sign(u)",
}


def term_and_columns(equation, num_points=7):
    """A term at random points, and random jets that look like an unknown's."""
    rng = np.random.default_rng(0)
    conditions = {"start": {"at": "t = 0", "u": 1}, "walls": {"at": "boundary", "u": 1}}
    problem = read_problem(ode(equations={"equation": equation}, coordinates={"x": [0, 1], "t": [0, 2]}, conditions=conditions))
    term = make_term(problem, problem.residuals[0], Sites(rng.uniform(0, 1, (num_points, 2))))
    return term, [rng.normal(size=(len(image.sites.points), len(image.request))) for image in term.images]


@pytest.mark.parametrize("name", FORMULAS)
def test_slopes_against_differences(name):
    term, columns = term_and_columns(FORMULAS[name])
    residual, slopes = term.linearise(columns)
    assert np.array_equal(residual, term.evaluate(columns))
    step, seen = 1e-6, set()
    for image, column, values in slopes:
        per_row = len(columns[image]) // 7
        slope = np.broadcast_to(values, (7,) if np.ndim(values) < 2 else np.shape(values)).reshape(7, -1)
        for node in range(0, per_row, 5):
            shifted = [
                [sign * step * (np.arange(len(c)) % per_row == node) * (k == image) for k, c in enumerate(columns)]
                for sign in (1, -1)
            ]
            moved = [
                [np.stack([c[:, j] + d * (j == column) for j in range(c.shape[1])], 1) for c, d in zip(columns, steps, strict=True)]
                for steps in shifted
            ]
            difference = (term.evaluate(moved[0]) - term.evaluate(moved[1])) / (2 * step)
            np.testing.assert_allclose(slope[:, node], difference, rtol=1e-6, atol=1e-7)
        seen.add((image, column))
    assert seen == {(k, j) for k, image in enumerate(term.images) for j in range(len(image.request))}


def test_slopes_of_a_linear_equation_are_computed_ahead():
    term, columns = term_and_columns(FORMULAS["linear"])
    assert term.slopes.inputs == term.program.inputs
    assert {np.ndim(slope.values) for slope in term.linearise(columns)[1]} == {0, 1}
    (_, *slopes), (_, *others) = (term.slopes({leaf: factor for leaf in term.slopes.inputs}) for factor in (0.0, 1.0))
    assert all(np.array_equal(a, b) for a, b in zip(slopes, others, strict=True))


@pytest.mark.parametrize("branch", ["sqrt(u)", "log(u)", "1/u", "u**0.5", "exp(-1000*u)"])
def test_the_branch_not_taken_has_no_slope(branch):
    term, _ = term_and_columns(f"u_t = where(u > 0.1, {branch}, u)", 3)
    values = {"u": [-1.0, 0.0, 0.25]}
    columns = [np.stack([values["u"] if operator == ((0, 0),) else np.ones(3) for _, operator in term.images[0].request], 1)]
    with np.errstate(all="ignore"):
        _, slopes = term.linearise(columns)
    assert all(np.isfinite(slope.values).all() for slope in slopes)


def test_infinite_slopes_stay_infinite():
    term, columns = term_and_columns("u_t = sqrt(u)", 3)
    with np.errstate(all="ignore"):
        _, slopes = term.linearise([np.zeros_like(columns[0])])
    assert any(np.isinf(slope.values).all() for slope in slopes)
