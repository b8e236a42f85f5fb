"""A step in parts, each with cells of its own, against the step of all cells together."""

import math

import numpy as np
import pytest

from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import whole
from pinn.field.network.local_features import LocalFeatures
from pinn.problem.language import read_problem
from pinn.solver.cells.elimination import bisection, leaves, substitute
from pinn.solver.cells.factor import MANY
from pinn.solver.cells.shared import between, eliminated, owned
from pinn.solver.cells.system import System

PROBLEMS = {
    "nonlinear": {
        "coordinates": {"x": [0, 1], "y": [0, 2]},
        "unknowns": ["u", "v"],
        "equations": {"first": "u_xx + u_yy = u*v + x", "second": "v_xx + v_yy = u*u_x + y"},
        "conditions": {"walls": {"at": "boundary", "u": "x*y", "v": "1 + x"}},
    },
    "far": {
        "coordinates": {"x": [0, 1], "y": [0, 1]},
        "unknowns": ["u"],
        "equations": {"poisson": "u_xx + u_yy = u(x=1) + integral(u, s, 0, y)"},
        "conditions": {
            "wrap": {"periodic": "x"},
            "low": {"at": "y = 0", "u": "sin(2*pi*x)"},
            "high": {"at": "y = 1", "u": "x*(1-x)"},
        },
    },
}


def made(name, cells):
    problem = read_problem(PROBLEMS[name])
    periodic = [problem.names.index(axis) for axis in problem.periodic]
    field = CellField(whole(problem.box, periodic, cells), LocalFeatures(degree=5).basis(problem, 0), problem.unknown_names)
    system = System(problem, field, [row for row in problem.residuals if row.kind != "periodic"])
    return system, np.random.default_rng(1).normal(size=field.shape)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 30])
@pytest.mark.parametrize(("name", "cells"), [("nonlinear", (4, 3)), ("far", (3, 4))])
def test_a_step_in_parts_is_the_step(name, cells, size):
    system, start = made(name, cells)
    expected = system.step(start)
    parts = [owned(system, rank, size) for rank in range(size)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(math.prod(cells)))
    lefts = [eliminated(system, start, part) for part in parts]
    assert all(left.failure == "" for left in lefts)
    known = between(system, [left.rows for left in lefts])
    pairs = [(left, part) for left, part in zip(lefts, parts, strict=True) if len(part)]
    moves = [left.condensed.move(substitute(left.done, system.sizes, known)) for left, _ in pairs]
    move = np.empty((math.prod(cells), moves[0].shape[1]))
    move[leaves(bisection(system.field.cover.centers))] = np.concatenate(moves)
    assert np.abs(move - expected.move.reshape(move.shape)).max() < 1e-12 * np.abs(expected.move).max() * 10
    assert math.isclose(math.sqrt(sum(left.condensed.total for left in lefts)), expected.norm, rel_tol=1e-13)


def test_a_process_sends_what_others_touch_and_no_more():
    """Of 8 by 8 cells each of two halves shares the traces of 8 faces; rows are one more than these have numbers."""
    system, start = made("nonlinear", (8, 8))
    lefts = [eliminated(system, start, owned(system, rank, 2)) for rank in range(2)]
    common = [
        number for number, trace in enumerate(system.traces) if len({side.cell in owned(system, 0, 2) for side in trace.sides}) == 2
    ]
    assert len(common) == 8
    for left in lefts:
        assert sorted(left.rows.blocks) == common
        num = sum(system.sizes[block] for block in common)
        assert left.rows.matrix.shape[1] == num and len(left.rows.matrix) <= MANY * num
