"""Factors of rows against dense least squares, and that those which were found before are found again, and no others."""

import numpy as np
import pytest
from cell_problems import error, make_march, read, solve

from pinn.field.cells.cell_field import CellField
from pinn.solver.cells.factor import Factor, Factors
from pinn.solver.cells.system import System

SHAPES = {  # rows in the own unknowns alone, rows in all, own unknowns, others
    "alone": (9, 0, 5, 0), "triangle and rows below": (9, 7, 5, 4), "few alone": (2, 9, 5, 3), "none alone": (0, 12, 5, 4),
    "many left": (6, 40, 4, 3), "no own": (0, 6, 0, 4), "too few": (1, 2, 5, 3),
}  # fmt: skip


def random_rows(shape, seed=0):
    alone, mixed, own, others = shape
    rng = np.random.default_rng(seed)
    return rng.standard_normal((alone, own)), rng.standard_normal((mixed, own + others)), rng.standard_normal(alone + mixed)


def made(alone, mixed, size):
    return Factor(np.array(alone, order="F"), np.array(mixed, order="F"), size)


def open_combination(alone, mixed, size):
    """The same rows without what they say of one combination of the own unknowns."""
    direction = np.ones(size) / np.sqrt(size)
    keep = np.eye(size) - np.outer(direction, direction)
    return alone @ keep, np.hstack([mixed[:, :size] @ keep, mixed[:, size:]])


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_left_is_the_least_that_the_own_unknowns_allow(shape, is_open):
    alone, mixed, right = random_rows(shape)
    size = shape[2]
    if is_open and size:
        alone, mixed = open_combination(alone, mixed, size)
    factor = made(alone, mixed, size)
    _, left = factor.turn(right[: shape[0]], right[shape[0] :])
    own = np.vstack([alone, mixed[:, :size]])
    rest = np.vstack([np.zeros((shape[0], shape[3])), mixed[:, size:]])
    squares = []
    for others in np.random.default_rng(1).standard_normal((3, shape[3])):
        wanted = right - rest @ others
        found = np.linalg.lstsq(own, wanted, rcond=1e-12)[0] if size else np.zeros(0)
        least = np.sum((wanted - own @ found) ** 2)
        squares.append((least, np.sum((left - factor.left @ others) ** 2)))
    least, said = np.array(squares).T
    np.testing.assert_allclose(np.diff(said), np.diff(least), atol=1e-10)


@pytest.mark.parametrize("name", ["triangle and rows below", "none alone", "many left"])
def test_the_own_unknowns_for_given_others(name):
    shape = SHAPES[name]
    (alone, mixed, right), size = random_rows(shape), shape[2]
    others = np.random.default_rng(1).standard_normal(shape[3])
    factor = made(alone, mixed, size)
    top, _ = factor.turn(right[: shape[0]], right[shape[0] :])
    own = np.vstack([alone, mixed[:, :size]])
    wanted = right - np.concatenate([np.zeros(shape[0]), mixed[:, size:] @ others])
    expected = np.linalg.lstsq(own, wanted, rcond=None)[0]
    np.testing.assert_allclose(np.linalg.solve(factor.triangle, top - factor.rest @ others), expected, atol=1e-11)


def test_what_is_the_same_to_the_last_bit_is_found_and_nothing_else():
    factors, calls = Factors(), []
    matrix, right = np.random.default_rng(0).standard_normal((6, 3)), np.ones(3)

    def make():
        calls.append(1)
        return made(matrix, np.zeros((0, 3)), 3)

    first = factors.of_cell("kind", [matrix, right], make)
    assert factors.of_cell("kind", [matrix.copy(), right], make) is first
    other = matrix.copy()
    other[2, 1] = np.nextafter(other[2, 1], 9)
    assert factors.of_cell("kind", [other, right], make) is not first
    assert factors.of_cell("another", [matrix, right], make) is not first
    assert len(calls) == 3


def test_too_many_are_forgotten():
    matrix = np.random.default_rng(0).standard_normal((6, 3))
    size = made(matrix, np.zeros((0, 3)), 3).num_bytes
    factors = Factors(2.5 * size)
    found = [factors.of_part(key, lambda: made(matrix, np.zeros((0, 3)), 3)) for key in (0, 1, 2)]
    again = [factors.of_part(key, lambda: made(matrix, np.zeros((0, 3)), 3)) for key in (2, 0)]
    assert again[0] is found[2] and again[1] is not found[0]


class Counted(Factors):
    """Factors that count how many were made."""

    num_made = 0

    def of_part(self, key, make):
        def counted():
            self.num_made += 1
            return make()

        return super().of_part(key, counted)


def poisson(box):
    walls = {"walls": {"at": "boundary", "u": "x*y"}}
    return read({"x": box, "y": box}, {"poisson": "laplacian(u) = exp(x + y)"}, walls)


def system(problem, count, factors=None):
    march = make_march(problem, cells=dict.fromkeys(problem.names, count), degree=6)
    field = CellField(march.begin().cover, march.basis, problem.unknown_names)
    return System(problem, field, march.rows, factors=factors)


@pytest.mark.parametrize("high", [1, "2*pi", 0.3])
def test_cells_that_are_alike_have_one_factor(high):
    """Inside, at four sides and at four corners, on any box; and the step is that without this."""
    problem, factors = poisson([0, high]), Counted()
    with_factors = system(problem, 8, factors)
    coefficients = np.zeros(with_factors.field.shape)
    with_factors.condensed(coefficients, np.arange(64))
    assert factors.num_made == 9
    expected = system(problem, 8).step(coefficients)
    np.testing.assert_array_equal(with_factors.step(coefficients).move, expected.move)


def test_what_is_not_linear_keeps_no_factors():
    factors = Counted()
    problem = read({"x": [0, 1]}, {"law": "u_x = u*(1 - u)"}, {"start": {"at": "x = 0", "u": 0.5}})
    system(problem, 2, factors).step(np.zeros((2, 1, 7)))
    assert factors.num_made == 0


def test_equations_that_differ_a_little_have_factors_of_their_own():
    problem = read({"x": [0, 1]}, {"law": "u_xx = (1 + 1e-9*x)*u"}, {"ends": {"at": "boundary", "u": 1}})
    factors = Counted()
    with_factors = system(problem, 8, factors)
    with_factors.condensed(np.zeros(with_factors.field.shape), np.arange(8))
    assert factors.num_made == 8


def test_slabs_of_one_length_need_no_new_factors(monkeypatch):
    factors = Counted()
    monkeypatch.setattr("pinn.solver.cells.march.Factors", lambda: factors)
    counts = []
    for end in (10, 40):
        problem = read(
            {"x": [0, 1], "t": [0, end]},
            {"wave": "u_tt = u_xx"},
            {"initial": {"at": "t = 0", "u": "sin(pi*x)", "u_t": 0}, "walls": {"at": "boundary", "u": 0}},
        )
        factors.num_made, march = 0, make_march(problem, 1e-9)
        last = solve(march)
        assert error(march, last, lambda x, t: np.sin(np.pi * x) * np.cos(np.pi * t)) < 1e-6
        counts.append((factors.num_made, last.field["num_done"]))
    (few, slabs), (more, many) = counts
    assert many >= slabs + 15 and more < few + 10, counts
