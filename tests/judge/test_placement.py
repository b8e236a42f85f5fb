from dataclasses import replace

import numpy as np
import pytest
from judged_fields import from_text, heat, shipped

from pinn.judge.grid import make_grid
from pinn.judge.layout import Layout
from pinn.judge.refusal import NoReference
from pinn.judge.rows import assemble
from pinn.judge.solve import solve_steady
from pinn.judge.system import System

SQUARE = {"x": [0, 1], "y": [0, 1]}


def rows(problem, cells=8, accuracy=2, **keys):
    layout = Layout(problem, make_grid(problem, cells, **keys), accuracy)
    return layout, assemble(layout)


def test_momentum_determines_velocity_and_pressure_lives_inside():
    layout, _ = rows(shipped("kovasznay"))
    names = [equation.name for equation in layout.problem.equations]
    assert {u: names[row] for u, row in layout.pair.items()} == {"u": "momentum_x", "v": "momentum_y", "p": "continuity"}
    assert layout.multipliers == {"p"} and layout.shape["p"] == (7, 7) and layout.shape["u"] == (9, 9)


@pytest.mark.parametrize("name", ["beam", "biharmonic", "kovasznay", "heat_neumann", "heat_periodic", "wave_1d", "poisson_3d"])
@pytest.mark.parametrize("wrap", [True, False])
def test_every_row_is_taken_once(name, wrap):
    layout, found = rows(shipped(name), wrap=wrap)
    taken = np.concatenate([block.rows for block in found.blocks if block.weights is None])
    kinematic = sum(layout.count[u] * max(0, order - 1) for u, order in layout.time_order.items())
    assert len(np.unique(taken)) == len(taken) == found.size - kinematic - len(found.integrals)


def test_dirichlet_wins_corners():
    problem = from_text(
        coordinates=SQUARE,
        unknowns=["u"],
        equations={"p": "laplacian(u) = 1"},
        conditions={"cold": {"at": "x = 0 or x = 1", "u": 0}, "sealed": {"at": "y = 0 or y = 1", "u_n": 0}},
    )
    _, found = rows(problem)
    corners = {0, 8, 72, 80}
    for block in found.blocks:
        if block.name == "cold":
            corners -= set(block.rows.tolist())
        if block.name == "sealed":
            assert not {0, 8, 72, 80} & set(block.rows.tolist())
    assert not corners


def test_second_condition_on_a_wall_takes_the_next_node():
    _, found = rows(shipped("beam"))
    places = {block.name: block.rows.tolist() for block in found.blocks if block.kind == "condition"}
    assert places == {"clamped.w": [0], "clamped.w_x": [1], "free_end.w_xx": [8], "free_end.w_xxx": [7]}


def test_too_many_conditions_are_refused():
    problem = from_text(
        coordinates={"x": [0, 1]},
        unknowns=["u"],
        equations={"p": "u_xx = 1"},
        conditions={"ends": {"at": "boundary", "u": 0}, "more": {"at": "x = 1", "u_n": 0}},
    )
    with pytest.raises(NoReference, match="3 conditions on the walls across x, but the equations have only 2"):
        rows(problem)


def neumann(source):
    return from_text(
        coordinates=SQUARE,
        unknowns=["u"],
        equations={"p": f"laplacian(u) = {source}"},
        conditions={"sealed": {"at": "boundary", "u_n": 0}, "gauge": "mean(u) = 0"},
    )


def test_gauge_fixes_the_level_and_returns_the_incompatibility():
    system = System(neumann("-2*pi**2*cos(pi*x)*cos(pi*y)"), make_grid(neumann("0"), 24), 4)
    found = solve_steady(system)
    x = np.linspace(0, 1, 25)
    assert abs(found.field("u")[0] - np.cos(np.pi * x)[:, None] * np.cos(np.pi * x)).max() < 1e-4
    shifted = solve_steady(System(neumann("1 - 2*pi**2*cos(pi*x)*cos(pi*y)"), make_grid(neumann("0"), 24), 4))
    assert shifted.values[0, -1] - found.values[0, -1] == pytest.approx(1.0, abs=0.02)


def test_missing_gauge_is_refused():
    problem = neumann("cos(pi*x)")
    with pytest.raises(NoReference, match="singular"):
        solve_steady(System(replace(problem, conditions=problem.conditions[:-1]), make_grid(problem, 10), 2))


def test_wall_without_a_condition_is_refused():
    problem = from_text(
        coordinates={"x": [0, 1]},
        unknowns=["u"],
        equations={"p": "u_xx = 1"},
        conditions={"left": {"at": "x = 0", "u": 0}, "right": {"at": "x = 1", "free": "u"}},
    )
    with pytest.raises(NoReference, match="singular"):
        solve_steady(System(problem, make_grid(problem, 10), 2))


def test_conditions_on_parts_of_a_wall():
    problem = from_text(
        coordinates=SQUARE,
        unknowns=["u"],
        equations={"p": "laplacian(u) = 0"},
        conditions={
            "low": {"at": "x = 0 and y < 0.5", "u": 1},
            "high": {"at": "x = 0 and y >= 0.5", "u": 2},
            "rest": {"at": "x = 1 or y = 0 or y = 1", "u_n": 0},
        },
    )
    found = solve_steady(System(problem, make_grid(problem, 9), 2)).field("u")[0]
    assert found[0, 2] == pytest.approx(1) and found[0, 7] == pytest.approx(2)


UNCOVERED = {
    "over less than the whole space": {"equations": {"heat": "u_t = 0.4*u_xx + integral(u(t=s), s, 0, t)"}},
    "another time": {"equations": {"heat": "u_t = 0.4*u_xx + u(t=0)"}},
    "a place that moves": {"equations": {"heat": "u_t = 0.4*u_xx + u(x=1-x)"}},
}


@pytest.mark.parametrize("reason", UNCOVERED)
def test_what_is_not_covered_is_refused_in_one_line(reason):
    problem = heat(**UNCOVERED[reason], exact="exp(-t)*sin(pi*x)", manufactured=True)
    with pytest.raises(NoReference, match=reason) as refusal:
        System(problem, make_grid(problem, 8), 2)
    assert "\n" not in str(refusal.value)
