"""Elimination of blocks along a tree, against dense least squares of the whole matrix."""

import numpy as np
import pytest

from pinn.solver.cells.elimination import Rows, bisection, eliminate, solve_triangle, substitute
from pinn.solver.cells.factor import Reflections

SIZES = (3, 1, 4, 2, 5)


def random_rows(blocks, sizes, rng, count=None):
    width = sum(sizes[block] for block in blocks)
    count = width + 3 if count is None else count
    return Rows(tuple(blocks), rng.standard_normal((count, width)), rng.standard_normal(count))


def chain(rng, num=9):
    """Rows that touch a block and the next one."""
    sizes = {block: SIZES[block % 5] for block in range(num + 1)}
    return [random_rows((cell, cell + 1), sizes, rng) for cell in range(num)], sizes, np.arange(num)[:, None]


def grid(rng, shape=(4, 5)):
    """Cells of a grid, whose rows touch the blocks of their faces, in any order."""
    joints = [(place, axis) for axis in (0, 1) for place in np.ndindex(*shape) if place[axis] + 1 < shape[axis]]
    sizes = {number: 2 + number % 3 for number in range(len(joints))}
    rows, places = [], list(np.ndindex(*shape))
    for place in places:
        below = {(tuple(np.subtract(place, np.eye(2, dtype=int)[axis])), axis) for axis in (0, 1)}
        own = [number for number, joint in enumerate(joints) if joint in below or joint[0] == place]
        rows.append(random_rows(rng.permutation(own).tolist(), sizes, rng))
    return rows, sizes, np.array(places, float)


def arrow(rng, num=8):
    """Blocks of their own, and two that all rows touch."""
    sizes = {**{cell: SIZES[cell % 5] for cell in range(num)}, 90: 2, 91: 3}
    return [random_rows((91, cell, 90), sizes, rng, 7 + cell) for cell in range(num)], sizes, rng.standard_normal((num, 3))


def far_apart(rng):
    """Rows of which some halves have no blocks of their own to eliminate, and one set without rows or blocks."""
    sizes = {0: 3, 1: 3, 2: 2}
    rows = [random_rows(blocks, sizes, rng, 4) for blocks in ((0, 1), (1, 2), (0, 2), (0, 1))]
    return [*rows, Rows((), np.empty((0, 0)), np.empty(0))], sizes, np.arange(5.0)[:, None]


def dense(rows, sizes):
    """The whole matrix and right side, with the columns of every block."""
    ends = np.cumsum(list(sizes.values()))
    places = {block: slice(end - size, end) for (block, size), end in zip(sizes.items(), ends, strict=True)}
    matrix = np.zeros((sum(len(each.right) for each in rows), ends[-1]))
    top = 0
    for each in rows:
        part, left = slice(top, top + len(each.right)), 0
        for block in each.blocks:
            matrix[part, places[block]] = each.matrix[:, left : left + sizes[block]]
            left += sizes[block]
        top = part.stop
    return matrix, np.concatenate([each.right for each in rows]), places


def solved(rows, sizes, centers):
    known = substitute(eliminate(rows, sizes, bisection(centers)), sizes)
    assert set(known) == set(sizes)
    return np.concatenate([known[block] for block in sizes])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [chain, grid, arrow, far_apart])
def test_the_solution_is_that_of_dense_least_squares(make, seed):
    rows, sizes, centers = make(np.random.default_rng(seed))
    matrix, right, _ = dense(rows, sizes)
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1] < len(right)
    expected = np.linalg.lstsq(matrix, right, rcond=None)[0]
    np.testing.assert_allclose(solved(rows, sizes, centers), expected, atol=1e-10 * np.linalg.cond(matrix))


@pytest.mark.parametrize("make", [chain, arrow])
def test_any_tree_gives_the_same(make):
    rows, sizes, centers = make(np.random.default_rng(0))
    line = 0
    for leaf in range(1, len(rows)):
        line = (line, leaf)
    known = substitute(eliminate(rows, sizes, line), sizes)
    np.testing.assert_allclose(np.concatenate([known[block] for block in sizes]), solved(rows, sizes, centers), atol=1e-10)


def test_one_set_of_rows_is_a_tree():
    rng = np.random.default_rng(0)
    rows = [random_rows((0, 1), {0: 2, 1: 3}, rng)]
    expected = np.linalg.lstsq(rows[0].matrix, rows[0].right, rcond=None)[0]
    np.testing.assert_allclose(solved(rows, {0: 2, 1: 3}, np.zeros((1, 2))), expected, atol=1e-12)


def blind(rows, sizes, block, rng):
    """The same rows without what they say about one combination of a block's unknowns."""
    direction = rng.standard_normal(sizes[block])
    keep = np.eye(sizes[block]) - np.outer(direction, direction) / (direction @ direction)
    seen = []
    for each in rows:
        matrix, left = each.matrix.copy(), 0
        for other in each.blocks:
            part = slice(left, left + sizes[other])
            if other == block:
                matrix[:, part] = matrix[:, part] @ keep
            left = part.stop
        seen.append(each._replace(matrix=matrix))
    return seen


@pytest.mark.parametrize("block", [0, 2, 5])
@pytest.mark.parametrize("make", [chain, grid, arrow])
def test_where_rows_leave_a_combination_open_they_are_least_all_the_same(make, block):
    rng = np.random.default_rng(block)
    rows, sizes, centers = make(rng)
    rows = blind(rows, sizes, block, rng)
    matrix, right, places = dense(rows, sizes)
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1] - 1
    np.testing.assert_allclose(solved(rows, sizes, centers), np.linalg.lstsq(matrix, right, rcond=1e-13)[0], atol=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 32])
def test_a_bisection_has_every_leaf_once_and_halves_of_equal_size(dim, count):
    found = []

    def size(node):
        if isinstance(node, int):
            found.append(node)
            return 1
        first, second = map(size, node)
        assert abs(first - second) <= 1
        return first + second

    assert size(bisection(np.random.default_rng(0).standard_normal((count, dim)))) == count
    assert sorted(found) == list(range(count))


def test_a_bisection_cuts_the_longest_extent_first():
    first, second = bisection(np.array([[0.0, 0.0], [9.0, 1.0], [1.0, 1.0], [8.0, 0.0]]))
    assert set(first) == {0, 2} and set(second) == {1, 3}


@pytest.mark.parametrize("shape", [(7, 4), (4, 4), (2, 5), (0, 3), (3, 0)])
def test_the_triangular_factor_has_the_same_squares(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    factor = Reflections(np.asfortranarray(matrix)).triangle()
    assert factor.shape == (shape[1], shape[1]) and not np.tril(factor, -1).any()
    np.testing.assert_allclose(factor.T @ factor, matrix.T @ matrix, atol=1e-13)


def test_a_singular_triangle_gives_the_least_norm():
    triangle = np.triu(np.random.default_rng(0).standard_normal((5, 5)))
    right = np.random.default_rng(1).standard_normal(5)
    np.testing.assert_allclose(solve_triangle(triangle, right), np.linalg.solve(triangle, right), rtol=1e-10)
    triangle[2, 2] = 1e-17
    np.testing.assert_allclose(solve_triangle(triangle, right), np.linalg.lstsq(triangle, right, rcond=1e-14)[0], rtol=1e-10)
    assert len(solve_triangle(np.empty((0, 0)), np.empty(0))) == 0
