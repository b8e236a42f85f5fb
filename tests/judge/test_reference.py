from dataclasses import replace

import numpy as np
import pytest
from judged_fields import SHIPPED, exact, from_text, heat, shipped
from scipy.integrate import solve_ivp

from pinn.judge.choose import reference
from pinn.judge.error_bar import error_bar
from pinn.judge.settings import AutoReference, ExactReference, FiniteDifferenceReference, NoReferenceWanted
from pinn.judge.window import nested
from pinn.judge.windows import solve_on
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

QUICK = FiniteDifferenceReference(target=1e-4, cache=False)
SLOW_ONES = {"burgers", "kovasznay"}

FINAL_WINDOWS = [  # problem, order, cells of the coarsest of three grids on which the leading error term has taken over
    ("advection_diffusion", 2, 64),
    ("advection_diffusion", 4, 128),
    ("beam", 2, 16),
    ("heat_1d", 2, 16),
    ("heat_1d", 4, 32),
    ("heat_neumann", 2, 64),
    ("heat_neumann", 4, 128),
    ("heat_periodic", 2, 16),
    ("heat_periodic", 4, 32),
    ("poisson_1d", 2, 16),
    ("poisson_1d", 4, 32),
    ("poisson_2d", 2, 8),
    ("poisson_2d", 4, 32),
    ("helmholtz_2d", 2, 32),
    ("kovasznay", 2, 16),
    ("wave_1d", 2, 32),
    ("wave_1d", 4, 64),
    ("heat_2d", 2, 8),
    ("poisson_3d", 2, 4),
]
LATE_WINDOWS = [
    ("biharmonic", 2, 64),
    ("helmholtz_2d", 4, 64),
    ("reaction_diffusion", 2, 256),
    ("reaction_diffusion", 4, 256),
    ("heat_2d", 4, 20),
    ("kovasznay", 4, 16),
    ("burgers", 2, 512),
]


def observed(name, order, cells):
    problem, solutions = shipped(name), []
    for level in range(3):
        solutions.append(solve_on(problem, cells * 2**level, order, {}, solutions[-1] if solutions else None))
    return {u: error_bar(*(found := nested(tuple(solutions), u))[0], order, weights=found[1]).order for u in problem.unknown_names}


@pytest.mark.parametrize("name, order, cells", FINAL_WINDOWS)
def test_observed_order(name, order, cells):
    for unknown, found in observed(name, order, cells).items():
        assert found == pytest.approx(order, abs=0.26), unknown


@pytest.mark.slow
@pytest.mark.parametrize("name, order, cells", LATE_WINDOWS)
def test_observed_order_of_costly_windows(name, order, cells):
    for unknown, found in observed(name, order, cells).items():
        assert found == pytest.approx(order, abs={"kovasznay": 0.6}.get(name, 0.25)), unknown


@pytest.mark.parametrize("name", [n for n in SHIPPED if n not in SLOW_ONES])
def test_bar_contains_the_true_error(name):
    assert_bar_contains(shipped(name), reference(shipped(name), QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "burgers"])
def test_bar_contains_the_true_error_at_full_accuracy(name):
    assert_bar_contains(shipped(name), reference(shipped(name), FiniteDifferenceReference(cache=False)))


def assert_bar_contains(problem, found):
    assert found.kind == "finite_difference" and found.bar < 5e-3
    points = np.random.default_rng(1).uniform(*problem.box.T, (1000, problem.dim))
    truth = exact(problem)(points, problem.values)
    error = np.linalg.norm(found(points) - truth, axis=0) / np.linalg.norm(truth, axis=0)
    for number, unknown in enumerate(problem.unknown_names):
        assert error[number] <= found.relative_error[unknown], (unknown, found.state)
        if found.state == "observed":
            assert found.relative_error[unknown] < 6 * error[number] + 2e-10


@pytest.mark.slow
def test_burgers_needs_and_gets_concentrated_nodes():
    found = reference(shipped("burgers"), FiniteDifferenceReference(cache=False))
    assert found.state == "observed" and found.adapted and found.bar < 1e-6
    assert found.observed_order["u"] == pytest.approx(4, abs=0.25)
    x = np.linspace(-0.97, 0.99, 50)
    points = np.stack([x, np.full(50, 0.8)], axis=1)
    assert abs(found(points)[:, 0] - cole_hopf(points)).max() < 1e-5


def cole_hopf(points, viscosity=0.01 / np.pi):
    """Exact solution for u0 = -sin(pi x) by Gauss-Hermite quadrature; Basdevant et al. (1986)."""
    nodes, weights = np.polynomial.hermite.hermgauss(200)
    y = points[:, :1] - 2 * np.sqrt(viscosity * points[:, 1:]) * nodes
    power = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    kernel = weights * np.exp(power - power.max(axis=1, keepdims=True))
    return -(kernel * np.sin(np.pi * y)).sum(axis=1) / kernel.sum(axis=1)


def test_on_grid_agrees_with_points_and_reproduces():
    found, again = (reference(shipped("heat_periodic"), QUICK) for _ in range(2))
    axes = (np.array([0.0, 0.3, 6.1, 2 * np.pi]), np.array([0.0, 0.5, 1.0]))
    grid = found.on_grid(axes)["u"]
    points = np.array([(x, t) for x in axes[0] for t in axes[1]])
    np.testing.assert_allclose(found(points)[:, 0], grid.ravel(), atol=1e-12)
    assert found.relative_error == again.relative_error
    np.testing.assert_array_equal(found(points), again(points))


BACKWARD = dict(equations={"heat": "u_t = -0.4*u_xx"}, exact="exp(0.4*pi**2*t)*sin(pi*x)")


def test_backward_heat_equation_has_no_reference():
    rough = heat(**BACKWARD, conditions={"initial": {"at": "t = 0", "u": "exact"}, "walls": {"at": "boundary", "u": 0}})
    found = reference(rough, FiniteDifferenceReference(cache=False, size=0.2))
    assert found.kind == "none" and found.why and "\n" not in found.why
    assert found.record()["relative_error"] is None
    with pytest.raises(RuntimeError, match="order|grows|no"):
        found(np.zeros((1, 2)))


def test_bar_contains_what_newtons_method_leaves_where_errors_grow():
    """Compared with an explicit method of order eight; steps of 1e-11 each leave five times the bar."""
    text = {
        "coordinates": {"t": [0, 3]},
        "unknowns": {"x": {"scale": 10}, "y": {"scale": 10}, "z": {"scale": 30}},
        "equations": {"a": "x_t = 10*(y - x)", "b": "y_t = x*(28 - z) - y", "c": "z_t = x*y - 8*z/3"},
        "conditions": {"start": {"at": "t = 0", "x": -8, "y": 7, "z": 27}},
    }
    found = reference(read_problem(text), FiniteDifferenceReference(cache=False))
    times = np.linspace(0, 3, 50)

    def rate(t, y):
        return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 * y[2] / 3]

    truth = solve_ivp(rate, (0, 3), [-8, 7, 27], method="DOP853", rtol=3e-14, atol=1e-12, t_eval=times).y.T
    error = np.linalg.norm(found(times[:, None]) - truth, axis=0) / np.linalg.norm(truth, axis=0)
    assert (error <= list(found.relative_error.values())).all(), (error, found.relative_error)


def test_missing_gauge_has_no_reference():
    problem = from_text(
        coordinates={"x": [0, 1], "y": [0, 1]},
        unknowns=["u"],
        equations={"p": "laplacian(u) = cos(pi*x)"},
        conditions={"sealed": {"at": "boundary", "u_n": 0}, "gauge": "mean(u) = 0"},
    )
    found = reference(replace(problem, conditions=problem.conditions[:-1]), QUICK)
    assert found.kind == "none" and "singular" in found.why


def test_bar_contains_the_error_of_jumps_at_corners():
    problem = from_text(
        coordinates={"x": [0, 1], "y": [0, 1]},
        unknowns=["u"],
        equations={"p": "laplacian(u) = 0"},
        conditions={"hot": {"at": "y = 1", "u": 1}, "cold": {"at": "not y = 1", "u": 0}},
    )
    found = reference(problem, FiniteDifferenceReference(cache=False, target=1e-3))
    points = np.random.default_rng(0).random((300, 2)) * [1.0, 0.9]
    wave = np.pi * np.arange(1, 400, 2)
    truth = (
        4
        / wave
        * np.sin(wave * points[:, :1])
        * np.exp(wave * (points[:, 1:] - 1))
        * -np.expm1(-2 * wave * points[:, 1:])
        / -np.expm1(-2 * wave)
    ).sum(axis=1)
    assert np.linalg.norm(found(points)[:, 0] - truth) <= found.bar * np.linalg.norm(truth)


def test_which_reference_is_taken():
    assert reference(heat()).kind == "exact"
    assert reference(heat(), AutoReference()).kind == "exact"
    assert reference(heat(), ExactReference()).relative_error == {"u": 1e-15}
    assert reference(heat(), NoReferenceWanted()).kind == "none"
    assert reference(replace(heat(), exact={}), ExactReference()).kind == "none"
    assert reference(heat(), QUICK).kind == "finite_difference"
    assert reference(replace(heat(), exact={}), AutoReference(target=1e-3, cache=False)).kind == "finite_difference"


def test_a_wrong_exact_solution_is_found():
    problem = heat()
    wrong = replace(problem, exact=heat(equations={"heat": "u_t = 0.3*u_xx"}, exact="exp(-0.3*pi**2*t)*sin(pi*x)").exact)
    found = reference(wrong)
    assert found.kind == "none" and "does not satisfy 'heat'" in found.why


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "burgers"])
def test_shipped_exact_solutions_pass(name):
    assert reference(shipped(name)).kind == "exact"


@pytest.mark.parametrize("key, value", [("order", 3), ("cells", 2), ("target", 0), ("seconds", -1)])
def test_settings_are_checked(key, value):
    with pytest.raises(BadInput, match=key):
        FiniteDifferenceReference(**{key: value})
