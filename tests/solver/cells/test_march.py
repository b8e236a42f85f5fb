"""Solves in cells against exact solutions: which problems are solved along time, and how accurate what comes out is."""

import numpy as np
import pytest
from cell_problems import error, make_march, random_points, read, shipped, solve

from pinn.solver.cells import rounds
from pinn.solver.cells.marching import Marching

HEAT = {"heat": "u_t = u_xx"}
BOX = {"x": [0, 1], "t": [0, 2]}
START = {"initial": {"at": "t = 0", "u": "sin(pi*x)"}}
ENDS = {"walls": {"at": "boundary", "u": 0}}


@pytest.mark.parametrize(
    ("equations", "conditions"),
    [
        (HEAT, {**START, **ENDS}),
        (HEAT, {**START, "ring": {"periodic": "x"}}),
        ({"heat": "u_t = u_xx + integral(u)"}, {**START, **ENDS}),
        ({"heat": "u_t = u_xx + u(x=0.5)"}, {**START, **ENDS}),
        ({"heat": "u_t = u_xx + integral(u(x=s), s, 0, x)"}, {**START, **ENDS}),
        ({"wave": "u_tt = u_xx"}, {"initial": {"at": "t = 0", "u": 0, "u_t": "x"}, **ENDS}),
    ],
)
def test_what_reads_its_own_time_only_is_solved_from_its_start_on(equations, conditions):
    marching = Marching(read(BOX, equations, conditions))
    assert marching.axis == 1
    assert {row.condition for row in marching.initial} == {"initial"}
    assert "initial" not in {row.condition for row in marching.always} and marching.always
    assert all(row.kind != "periodic" for row in marching.always)


@pytest.mark.parametrize(
    ("equations", "conditions"),
    [
        (HEAT, {"final": {"at": "t = 2", "u": "sin(pi*x)"}, **ENDS}),
        ({"wave": "u_tt = u_xx"}, {**START, "final": {"at": "t = 2", "u": 0}, **ENDS}),
        (HEAT, {"between": {"at": "t = 1", "u": "sin(pi*x)"}, **ENDS}),
        ({"heat": "u_t = u_xx + u(t=0)"}, {**START, **ENDS}),
        ({"heat": "u_t = u_xx + integral(u(t=s), s, 0, t)"}, {**START, **ENDS}),
        ({"heat": "u_t = u_xx"}, {"mean": "integral(u, t, 0, 2) = sin(pi*x)", **START, **ENDS}),
        (HEAT, {"loop": "u(t=0) = u(t=2) + x", **ENDS}),
    ],
)
def test_what_speaks_of_another_time_is_solved_at_once(equations, conditions):
    marching = Marching(read(BOX, equations, conditions))
    assert marching.axis is None and marching.initial == []


def test_a_problem_without_time_is_solved_at_once():
    assert Marching(shipped("poisson_2d")).axis is None


@pytest.mark.parametrize(
    ("name", "tolerance", "most", "several"),
    [
        ("heat_1d", None, 1e-11, 1),
        ("poisson_2d", 1e-13, 1e-13, 1),
        ("wave_1d", None, 1e-10, 4),
        ("heat_periodic", None, 1e-11, 1),
        ("kovasznay", 1e-10, 1e-9, 1),
        ("oscillator", None, 1e-12, 4),
        ("advection_diffusion", 1e-8, 1e-7, 4),
    ],
)
def test_shipped_problems_with_exact_solutions(name, tolerance, most, several):
    march = make_march(shipped(name), tolerance)
    state = solve(march)
    slabs = rounds.solution(march, state).slabs
    assert error(march, state) < most
    assert state.reason.startswith("every cell resolves") and len(slabs) >= several
    if march.time is not None:
        ends = [slab.field.cover.domain[march.time] for slab in slabs]
        assert ends[0][0] == march.problem.box[march.time, 0] and ends[-1][1] == march.problem.box[march.time, 1]
        assert all(first[1] == second[0] for first, second in zip(ends, ends[1:], strict=False))


@pytest.mark.parametrize("tolerance", [1e-4, 1e-7])
def test_the_error_goes_with_the_tolerance(tolerance):
    march = make_march(shipped("advection_diffusion"), tolerance)
    found = error(march, solve(march))
    assert 1e-3 * tolerance < found < 10 * tolerance


def test_cells_are_small_where_the_layer_is():
    problem = read(
        {"x": [0, 1]},
        {"law": "u_xx = 200*u_x"},
        {"ends": {"at": "boundary", "u": "x"}},
        exact="(exp(200*(x-1))-exp(-200))/(1-exp(-200))",
    )
    march = make_march(problem, 1e-10)
    state = solve(march)
    boxes = rounds.solution(march, state).slabs[0].field.cover.boxes[:, 0]
    assert error(march, state) < 1e-9
    widths = (boxes @ [-1, 1])[np.argsort(boxes[:, 0])]
    assert widths[0] == 4 * widths[-1], widths


@pytest.mark.parametrize(
    ("equations", "conditions", "exact"),
    [
        (HEAT, {"walls": {"at": "boundary", "u": 0}, "final": {"at": "t = 0.1", "u": "sin(pi*x)*exp(-pi**2/10)"}}, "sin(pi*x)*exp(-pi**2*t)"),
        ({"law": "u_t = -u + u(t=0)"}, {"initial": {"at": "t = 0", "u": "1 + x"}}, "1 + x"),
        ({"law": "u_t = 1 - integral(u(t=s), s, 0, t)"}, {"initial": {"at": "t = 0", "u": 0}}, "sin(t)"),
        ({"law": "u_t = u_xx"}, {"initial": {"at": "t = 0", "u": "cos(pi*x)"}, "right": {"at": "x = 1", "u_n": 0},
                                 "left": {"at": "x = 0", "free": "u"}, "mean": "integral(u) = 0"}, "cos(pi*x)*exp(-pi**2*t)"),
    ],
)  # fmt: skip
def test_problems_that_speak_of_other_places_and_times(equations, conditions, exact):
    march = make_march(read({"x": [0, 1], "t": [0, 0.1]}, equations, conditions, exact=exact), 1e-9, {"x": 2})
    assert error(march, solve(march)) < 1e-7


def test_the_pressure_is_fixed_by_its_mean():
    problem = read(
        {"x": [0, 1], "y": [0, 1]}, {"poisson": "laplacian(u) = -2*pi**2*cos(pi*x)*cos(pi*y)"},
        {"walls": {"at": "boundary", "u_n": 0}, "gauge": "mean(u) = 0"}, exact="cos(pi*x)*cos(pi*y)",
    )  # fmt: skip
    march = make_march(problem, 1e-10, {"x": 2, "y": 2})
    assert error(march, solve(march)) < 1e-9


def test_random_features_solve_as_well():
    from pinn.field.network.local_features import LocalFeatures
    from pinn.solver.cells.attempt import Limits
    from pinn.solver.cells.march import March

    problem = shipped("heat_1d")
    basis = LocalFeatures(features="tanh", width=120).basis(problem, 0)
    march = March(problem, basis, Limits(1e-6, 100, 25), {})
    assert error(march, solve(march)) < 1e-5


def test_cells_to_begin_with():
    problem = shipped("heat_1d")
    cover = make_march(problem, cells={"x": 3}).begin().cover
    assert (cover.num_cells, cover.periodic) == (3, ())
    assert make_march(shipped("heat_periodic"), cells={"x": 2}).begin().cover.periodic == (0,)
    march = make_march(problem, cells={"t": 4})
    assert march.begin().cover.num_cells == 1
    assert rounds.solution(march, solve(march)).slabs[0].field.cover.domain[1, 1] == 0.25


def test_cells_end_where_data_switch():
    """Polynomials on both sides of the switch are the solution; a cell across it would be cut again and again."""
    exact = {"exact": "(max(x - 0.3, 0)**2 - 0.49*x)/2"}
    problem = read({"x": [0, 1]}, {"e": "u_xx = where(x > 0.3, 1, 0)"}, {"ends": {"at": "boundary", "u": 0}}, **exact)
    march = make_march(problem)
    found = solve(march)
    assert error(march, found) < 1e-13
    assert rounds.solution(march, found).boxes[:, 0].tolist() == [[0.0, pytest.approx(0.3)], [pytest.approx(0.3), 1.0]]


def hopf(x, t, nu=0.01 / np.pi):
    """Burgers' equation from -sin(pi*x): the quotient of two integrals over a Gaussian (Cole 1951; Hopf 1950)."""
    place, weight = np.polynomial.hermite.hermgauss(120)
    away = x[:, None] - np.sqrt(4 * nu * t)[:, None] * place
    factors = weight * np.exp(-np.cos(np.pi * away) / (2 * np.pi * nu))
    return -(factors * np.sin(np.pi * away)).sum(axis=1) / factors.sum(axis=1)


@pytest.mark.slow
def test_burgers_against_cole_and_hopf():
    march = make_march(shipped("burgers"), 1e-6)
    assert error(march, solve(march), hopf) < 1e-6


def test_a_mild_burgers_against_cole_and_hopf():
    problem = read(
        {"x": [-1, 1], "t": [0, 0.5]},
        {"burgers": "u_t + u*u_x = 0.1*u_xx"},
        {"initial": {"at": "t = 0", "u": "-sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    )
    march = make_march(problem, 1e-7)
    state = solve(march)
    assert error(march, state, lambda x, t: hopf(x, t, 0.1)) < 1e-6
    points = random_points(problem)
    points[:, 1] = 0
    np.testing.assert_allclose(rounds.solution(march, state)(points)[:, 0], -np.sin(np.pi * points[:, 0]), atol=1e-5)


def test_rows_that_are_not_finite_end_the_solve():
    """What holds at the start is the first guess."""
    from pinn.solver.staged import Diverged

    march = make_march(read({"t": [0, 2]}, {"law": "u_t = 1/u"}, {"start": {"at": "t = 0", "u": 0}}), 1e-6)
    with (
        np.errstate(all="ignore"),
        pytest.raises(Diverged, match="stopped in round 1: an equation or its slope is not finite") as caught,
    ):
        solve(march)
    assert caught.value.state is None


def test_the_first_guess_is_what_holds_at_the_start():
    equations = {"first": "u_t = 1/u + v_xx", "second": "v_t = sqrt(u)"}
    problem = read(
        BOX, equations, {"start": {"at": "t = 0", "u": "1 + x", "v": 0}, "walls": {"at": "boundary", "v": 0}}, ("u", "v")
    )
    points = np.array([[0.25, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(Marching(problem).at_start(problem, points), [[1.25, 0], [2, 0]])


def test_a_rate_that_is_infinite_at_zero():
    problem = read({"t": [0, 1]}, {"rate": "u_t = 1/u"}, {"start": {"at": "t = 0", "u": 1}})
    march, t = make_march(problem, 1e-10), np.linspace(0, 1, 11)
    found = rounds.solution(march, solve(march))(t[:, None])
    np.testing.assert_allclose(found[:, 0], np.sqrt(1 + 2 * t), rtol=1e-9)


CONTRADICTIONS = [
    (
        {"heat": "u_t = u_xx + 1"},
        {"start": {"at": "t = 0", "u": 0}, "walls": {"at": "boundary", "u_n": 0}, "mean": "integral(u) = 0"},
    ),
    (HEAT, {"start": {"at": "t = 0", "u": 0}, "walls": {"at": "boundary", "u": 0}, "more": {"at": "x = 0", "u_x": "t"}}),
]


@pytest.mark.parametrize(("equations", "conditions"), CONTRADICTIONS, ids=["a mean and a source", "a value and a slope"])
def test_equations_that_stay_unsatisfied_from_slab_to_slab_end_the_solve(equations, conditions):
    """Slabs of the shortest length would go on for a million rounds."""
    from pinn.solver.staged import Diverged

    march = make_march(read(BOX, equations, conditions), 1e-4)
    with pytest.raises(Diverged, match=r"'heat' keeps a residual of .* contradict each other, or the solution jumps") as caught:
        solve(march)
    assert caught.value.step < 40


def test_layers_at_a_start_that_contradicts_the_walls_fade():
    """The shortest slabs do not satisfy the equations, but each of them by far better than the one before."""
    march = make_march(read(BOX, HEAT, {"start": {"at": "t = 0", "u": 1}, **ENDS}), 1e-6)
    state = solve(march)
    assert "no slab is short enough at t = " in state.reason
    points = np.column_stack([np.linspace(0.05, 0.95, 19), np.full(19, 0.1)])
    odd = np.arange(1, 60, 2)
    series = (4 / np.pi / odd * np.exp(-((odd * np.pi) ** 2) * 0.1) * np.sin(np.pi * points[:, :1] * odd)).sum(axis=1)
    np.testing.assert_allclose(rounds.solution(march, state)(points)[:, 0], series, rtol=2e-3)
