"""Blocks of unknowns by normal equations, against dense least squares of the whole matrix, and by reflections."""

import numpy as np
import pytest
from cell_problems import read
from scipy.linalg import block_diag
from test_elimination import arrow, blind, chain, dense, far_apart, grid

from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import whole
from pinn.field.network.local_features import LocalFeatures
from pinn.solver.cells import system as systems
from pinn.solver.cells.elimination import Rows, bisection
from pinn.solver.cells.normal import least
from pinn.solver.cells.system import System


def worsened(rows, sizes, condition):
    """The same rows with combinations of the unknowns of each block that count less, down to 1/condition."""
    mixing = {}
    for block, size in sizes.items():
        turned = np.linalg.qr(np.random.default_rng(block).standard_normal((size, size)))[0]
        mixing[block] = turned * np.geomspace(1, 1 / condition, size) @ turned.T
    return [
        each._replace(matrix=each.matrix @ block_diag(np.zeros((0, 0)), *(mixing[block] for block in each.blocks))) for each in rows
    ]


@pytest.mark.parametrize("condition", [1.0, 1e3])
@pytest.mark.parametrize("make", [chain, grid, arrow, far_apart])
def test_the_solution_is_that_of_dense_least_squares(make, condition):
    rows, sizes, centers = make(np.random.default_rng(0))
    rows = worsened(rows, sizes, condition)
    matrix, right, _ = dense(rows, sizes)
    known = least(rows, sizes, bisection(centers))
    assert set(known) == set(sizes)
    found, expected = np.concatenate([known[block] for block in sizes]), np.linalg.lstsq(matrix, right, rcond=None)[0]
    assert np.linalg.norm(found - expected) < 1e-13 * np.linalg.cond(matrix) * np.linalg.norm(expected)


def test_refinement_wins_back_what_squares_lose():
    rows, sizes, centers = chain(np.random.default_rng(0))
    rows = worsened(rows, sizes, 1e5)
    matrix, _, _ = dense(rows, sizes)
    expected = np.random.default_rng(1).standard_normal(matrix.shape[1])
    right = np.split(matrix @ expected, np.cumsum([len(each.right) for each in rows])[:-1])
    known = least([each._replace(right=part) for each, part in zip(rows, right, strict=True)], sizes, bisection(centers))
    found = np.concatenate([known[block] for block in sizes])
    by_squares = np.linalg.solve(matrix.T @ matrix, matrix.T @ np.concatenate(right))
    errors = [np.linalg.norm(each - expected) for each in (found, by_squares)]
    assert 100 * errors[0] < errors[1], (errors, np.linalg.cond(matrix))


@pytest.mark.parametrize("make", [chain, grid, arrow])
def test_rows_that_leave_a_combination_open_have_no_answer(make):
    rng = np.random.default_rng(2)
    rows, sizes, centers = make(rng)
    assert least(blind(rows, sizes, 2, rng), sizes, bisection(centers)) is None


def test_nothing_to_solve_for_is_solved():
    assert least([Rows((), np.ones((3, 0)), np.ones(3))], {}, 0) == {}


def test_a_right_side_of_zeros_gives_zeros():
    rows, sizes, centers = chain(np.random.default_rng(0))
    known = least([each._replace(right=0 * each.right) for each in rows], sizes, bisection(centers))
    assert not any(values.any() for values in known.values())


POISSON = read(
    {"x": [0, 1], "y": [0, 1], "z": [0, 1]}, {"poisson": "laplacian(u) - u = exp(x + 2*y - z)"},
    {"rim": {"at": "hole", "u": "sin(3*x)"}, "sides": {"at": "x = 0 or x = 1 or y = 0 or y = 1 or z = 0 or z = 1", "u_n": "x*y"}},
    shapes={"hole": {"ball": {"center": [0.6, 0.4, 0.5], "radius": 0.35}}}, domain="not hole",
)  # fmt: skip


def test_a_step_in_space_is_the_one_by_reflections(monkeypatch):
    problem = POISSON
    field = CellField(whole(problem.box, cells=[2, 2, 2]), LocalFeatures(degree=4).basis(problem, 0), problem.unknown_names)
    answers = []

    def noticed(*arguments):
        answers.append(least(*arguments))
        return answers[-1]

    def step():
        system = System(problem, field, problem.residuals)
        move = system.step(np.zeros(field.shape)).move
        return system.norm(move), move

    monkeypatch.setattr(systems, "least", noticed)
    (norm, move), answered = step(), answers[-1]
    monkeypatch.setattr(systems, "least", lambda *arguments: None)
    by_reflections, other = step()
    assert answered is not None
    assert abs(norm - by_reflections) < 1e-10 * by_reflections
    assert np.linalg.norm(move - other) < 1e-8 * np.linalg.norm(other)


def test_cells_in_a_hole_are_not_tied_to_each_other_so_that_squares_are_not_singular(monkeypatch):
    problem = POISSON
    field = CellField(whole(problem.box, cells=[6, 6, 6]), LocalFeatures(degree=2).basis(problem, 0), problem.unknown_names)
    system, answers = System(problem, field, problem.residuals), []
    is_void = system.interior.shares == 0
    joined = [tuple(side.cell for side in trace.sides) for trace in system.traces if len(trace.sides) == 2]
    inner = [(face.left, face.right) for face in field.cover.faces() if is_void[face.left] and is_void[face.right]]
    assert inner and not set(joined) & set(inner) and len(joined) + len(inner) == len(field.cover.faces())
    monkeypatch.setattr(systems, "least", lambda *arguments: answers.append(least(*arguments)) or answers[-1])
    assert np.isfinite(system.step(np.zeros(field.shape)).move).all() and answers[0] is not None
