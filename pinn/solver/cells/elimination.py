"""Least squares with many small blocks of unknowns, by orthogonal elimination along a tree.

The rows of such a problem touch few blocks each. Two sets of rows are put together, the blocks that no other rows touch are
eliminated by a QR decomposition, and what it leaves are rows in the other blocks; so on up a tree of halves, which is nested
dissection (multifrontal sparse QR: Liu 1986, ACM Trans. Math. Softw. 12, 127; George 1973, SIAM J. Numer. Anal. 10, 345). The
normal equations are never formed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lstsq, solve_triangular, svd
from scipy.linalg.lapack import dgeqrf

Array = np.ndarray

Tree = int | tuple[Any, Any]
"""Number of a set of rows, or two trees."""

DEPENDENT = 1e-14
"""Combinations of unknowns that the rows determine this little, relative to the best determined, get no part of the solution."""

PANEL = 64
"""Columns of workspace that LAPACK gets for each column."""


class Rows(NamedTuple):
    """Rows of a least-squares problem min |matrix · unknowns − right|².

    Attributes
    ----------
    blocks : numbers of the blocks of unknowns that they touch. matrix : (rows, unknowns of these blocks). right : (rows,).
    """

    blocks: tuple[int, ...]
    matrix: Array
    right: Array


class Eliminated(NamedTuple):
    """Blocks of unknowns as a function of others: triangle · own = right − rest · others."""

    blocks: tuple[int, ...]
    others: tuple[int, ...]
    triangle: Array
    rest: Array
    right: Array
    dependent: float

    def solve(self, known: Mapping[int, Array]) -> Array:
        """Return the blocks' unknowns one after the other, given the others'."""
        right = self.right
        if self.others:
            right = right - self.rest @ np.concatenate([known[other] for other in self.others])
        return solve_triangle(self.triangle, right, self.dependent)


def bisection(centers: Array) -> Tree:
    """Return a tree of points (points, dim): halves along the longest extent, down to single ones."""

    def tree(numbers: Array) -> Tree:
        if len(numbers) == 1:
            return int(numbers[0])
        axis = int(np.argmax(np.ptp(centers[numbers], axis=0)))
        order = numbers[np.argsort(centers[numbers, axis], kind="stable")]
        half = len(order) // 2
        return tree(order[:half]), tree(order[half:])

    return tree(np.arange(len(centers)))


def leaves(tree: Tree) -> list[int]:
    """Return the numbers in a tree from its first leaf to its last."""
    return [tree] if isinstance(tree, int) else [number for half in tree for number in leaves(half)]


def eliminate(rows: Sequence[Rows], sizes: Mapping[int, int], tree: Tree, dependent: float = DEPENDENT) -> list[Eliminated]:
    """Eliminate every block that some rows touch, from the leaves of a tree over the rows to its root.

    Parameters
    ----------
    sizes : number of unknowns of every block. dependent : see `DEPENDENT`.
    """
    return reduce(rows, sizes, tree, Counter(block for each in rows for block in each.blocks), dependent)[0]


def reduce(
    rows: Sequence[Rows], sizes: Mapping[int, int], tree: Tree, touched: Mapping[int, int], dependent: float = DEPENDENT
) -> tuple[list[Eliminated], Rows]:
    """Eliminate every block that no rows but these touch, and return what is left to say of the others.

    Parameters
    ----------
    touched : by how many sets of rows each block is touched, also of those that are not here.
    """
    left, done = dict(touched), []

    def reduced(node: Tree) -> Rows:
        parts = [rows[node]] if isinstance(node, int) else [reduced(half) for half in node]
        touched = sorted({block for part in parts for block in part.blocks})
        for block in touched:
            left[block] -= sum(block in part.blocks for part in parts) - 1
        own = tuple(block for block in touched if left[block] == 1)
        if not own and len(parts) == 1:
            return parts[0]
        others = tuple(block for block in touched if left[block] > 1)
        found, rest = condense(own, sizes, others, parts, dependent)
        if own:
            done.append(found)
        return rest

    return done, reduced(tree)


def substitute(done: Iterable[Eliminated], sizes: Mapping[int, int], known: Mapping[int, Array] | None = None) -> dict[int, Array]:
    """Return the unknowns of all blocks, of which some are ``known`` before."""
    known = dict(known or {})
    for each in reversed(list(done)):
        ends = np.cumsum([sizes[block] for block in each.blocks])[:-1]
        known.update(zip(each.blocks, np.split(each.solve(known), ends), strict=True))
    return known


def condense(
    own: tuple[int, ...], sizes: Mapping[int, int], others: tuple[int, ...], rows: Sequence[Rows], dependent: float = DEPENDENT
) -> tuple[Eliminated, Rows]:
    """Return blocks in terms of others, and what the rows say about the others."""
    places, width = {}, 0
    for block in (*own, *others):
        places[block] = slice(width, width + sizes[block])
        width += sizes[block]
    front = np.zeros((sum(len(each.right) for each in rows), width + 1), order="F")
    top = 0
    for each in rows:
        bottom, left = top + len(each.right), 0
        for block in each.blocks:
            front[top:bottom, places[block]] = each.matrix[:, left : left + sizes[block]]
            left += sizes[block]
        front[top:bottom, -1] = each.right
        top = bottom
    size, triangle = sum(sizes[block] for block in own), triangular(front)
    found = Eliminated(own, others, triangle[:size, :size], triangle[:size, size:-1], triangle[:size, -1], dependent)
    rest = triangle[size:, size:]
    if is_singular(found.triangle, dependent):
        rest = np.vstack([undetermined(found.triangle, dependent).T @ triangle[:size, size:], rest])
    return found, Rows(others, rest[:, :-1], rest[:, -1])


def triangular(front: Array) -> Array:
    """Return the square triangular factor of a matrix in Fortran order, which is used up."""
    rows, columns = front.shape
    factor = dgeqrf(front, lwork=max(1, PANEL * columns), overwrite_a=True)[0] if front.size else front
    height = min(rows, columns)
    result = np.zeros((columns, columns))
    result[:height] = np.triu(factor[:height])
    return result


def undetermined(triangle: Array, dependent: float) -> Array:
    """Return combinations of rows that say nothing of a triangular system's own unknowns, (rows, combinations)."""
    left, sizes, _ = svd(triangle, check_finite=False)
    return left[:, sizes <= dependent * sizes[0]]


def is_singular(triangle: Array, dependent: float) -> bool:
    """Whether a triangular matrix is singular to rounding; one that is not finite is not."""
    diagonal = np.abs(np.diag(triangle))
    return bool(len(diagonal)) and bool(diagonal.min() <= dependent * diagonal.max())


def solve_triangle(triangle: Array, right: Array, dependent: float = DEPENDENT) -> Array:
    """Return the solution of a triangular system, that of least squares and least norm where it is singular to rounding."""
    if is_singular(triangle, dependent):
        return lstsq(triangle, right, cond=dependent, check_finite=False)[0]
    return solve_triangular(triangle, right, check_finite=False) if len(right) else right
