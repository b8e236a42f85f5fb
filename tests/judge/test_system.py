import numpy as np
import pytest
from judged_fields import exact, from_text, heat, perturbed, shipped

from pinn.judge.grid import make_grid
from pinn.judge.refusal import NoReference
from pinn.judge.solve import march, solve_steady, starting_values, step_times
from pinn.judge.system import System

NONLINEAR = dict(
    coordinates={"x": [0, 1], "y": [0, 2], "t": [0, 1]},
    unknowns=["u", "v"],
    equations={"a": "u_t = u*v_x + u_xx*exp(v) + u_yy + mean(u*v)", "b": "v_tt + u_t*v = laplacian(v)*(1 + u**2) + t*u(x=0.3)"},
    conditions={
        "start": {"at": "t = 0", "u": "x", "v": "y", "v_t": 0},
        "walls": {"at": "x = 0 or x = 1", "u": "v**2", "v_n": "-v*u"},
        "lids": {"at": "y = 0 or y = 2", "u_n": 0, "v": 1},
    },
)


@pytest.mark.parametrize("accuracy", [2, 4])
@pytest.mark.parametrize("around", [None, "a field"])
def test_jacobian_is_the_derivative_of_the_residual(accuracy, around):
    problem = from_text(**NONLINEAR)
    system = System(problem, make_grid(problem, 6), accuracy)
    rng = np.random.default_rng(0)
    y, rate, direction, other = rng.standard_normal((4, system.size, 1)) * 0.3
    times = np.array([0.4])
    base = None
    if around:
        base = system.base(lambda points, request: np.cos(points[:, :1] + np.arange(len(request))), times)
    slope, mass = system.jacobian(times, y, rate, base)
    step = 1e-5
    numeric = (
        system.evaluate(times, y + step * direction, rate + step * other, base)
        - system.evaluate(times, y - step * direction, rate - step * other, base)
    ) / (2 * step)
    analytic = slope @ direction + mass @ other
    assert abs(numeric - analytic).max() < 1e-6 * abs(analytic).max()


def test_affine_systems_are_recognised():
    assert System(heat(), make_grid(heat(), 8), 2).affine
    assert not System(shipped("burgers"), make_grid(shipped("burgers"), 8), 2).affine
    assert not System(shipped("kovasznay"), make_grid(shipped("kovasznay"), 8), 2).affine


@pytest.mark.parametrize("name", ["heat_1d", "reaction_diffusion", "wave_1d", "heat_periodic"])
def test_error_equation_in_time(name):
    """Around u_h = exact + smooth, the solution e of the error equation is minus the smooth part."""
    problem = shipped(name)
    system = System(problem, make_grid(problem, 40, wrap=False), 4)
    solution, times = perturbed(problem, 0.05), step_times(system, 40)
    error = march(system, times, solution)
    x = system.layout.nodes[problem.unknown_names[0]][0]
    points = np.array([(a, b) for b in times for a in x])
    for unknown in problem.unknown_names:
        request = ((unknown, ((0, 0),)),)
        truth = (exact(problem)(points, request) - solution(points, request))[:, 0].reshape(len(times), len(x))
        assert abs(error.field(unknown) - truth).max() < 2e-3 * abs(truth).max(), name


def test_error_equation_of_a_nonlinear_flow():
    problem = shipped("kovasznay")
    system = System(problem, make_grid(problem, 20), 4)
    solution = perturbed(problem, 0.05)
    error = solve_steady(system, solution)
    x, y = system.layout.nodes["u"]
    points = np.array([(a, b) for a in x for b in y])
    request = (("u", ((0, 0),)),)
    truth = (exact(problem)(points, request) - solution(points, request))[:, 0].reshape(1, len(x), len(y))
    assert np.linalg.norm(error.field("u") - truth) < 0.05 * np.linalg.norm(truth)


def test_integrals_in_an_equation():
    """u_t = mean(u): the mean grows like exp(t)."""
    problem = from_text(
        coordinates={"x": [0, 1], "t": [0, 1]},
        unknowns=["u"],
        equations={"a": "u_t = mean(u)"},
        conditions={"start": {"at": "t = 0", "u": "2*x"}},
    )
    system = System(problem, make_grid(problem, 8), 4)
    found = march(system, step_times(system, 8))
    assert found.field("u")[-1] == pytest.approx(2 * system.grid[0].nodes + np.e - 1, abs=1e-7)


def test_ordinary_differential_equations():
    problem = from_text(
        coordinates={"t": [0, 1]},
        unknowns=["u"],
        equations={"a": "u_tt = -4*u"},
        conditions={"start": {"at": "t = 0", "u": 1, "u_t": 0}},
    )
    system = System(problem, make_grid(problem, 1), 4)
    assert march(system, step_times(system, 40)).field("u")[-1] == pytest.approx(np.cos(2), abs=1e-8)


def test_starting_values_are_those_of_the_error_around_a_field():
    problem = shipped("wave_1d")
    system = System(problem, make_grid(problem, 10), 2)
    solution = perturbed(problem, 0.1)
    y = starting_values(system, solution)
    x = system.grid[0].nodes
    points = np.stack([x, 0 * x], axis=1)
    request = (("u", ((0, 0),)), ("u", ((0, 1),)))
    truth = exact(problem)(points, request) - solution(points, request)
    np.testing.assert_allclose(y, truth.T.ravel(), atol=1e-12)


def test_missing_and_terminal_values_are_refused():
    problem = shipped("wave_1d")
    from dataclasses import replace

    fewer = replace(problem, conditions=tuple(c for c in problem.conditions if not c.name.endswith("u_t")))
    system = System(fewer, make_grid(problem, 8), 2)
    with pytest.raises(NoReference, match="no starting value for u_t"):
        starting_values(system)
    end = replace(problem.conditions[0].region[0], fixed=(("t", 1.0),))
    late = replace(problem, conditions=(replace(problem.conditions[0], region=(end,)), *problem.conditions[1:]))
    with pytest.raises(NoReference, match="only starting values"):
        starting_values(System(late, make_grid(problem, 8), 2))


def test_integrals_of_known_functions_around_a_field():
    problem = heat(equations={"heat": "u_t = 0.4*u_xx + mean(u)"}, manufactured=True)
    system = System(problem, make_grid(problem, 20), 4)
    times = step_times(system, 20)
    error = march(system, times, perturbed(problem, 0.1)).field("u")
    x = system.grid[0].nodes
    points = np.array([(a, b) for b in times for a in x])
    truth = (exact(problem)(points, problem.values) - perturbed(problem, 0.1)(points, problem.values))[:, 0].reshape(error.shape)
    assert np.linalg.norm(error - truth) < 1e-3 * np.linalg.norm(truth)
