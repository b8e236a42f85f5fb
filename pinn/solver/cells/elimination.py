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
from scipy.linalg import lstsq, solve_triangular

from pinn.solver.cells.factor import DEPENDENT, Factor, Factors, is_singular

Array = np.ndarray

Tree = int | tuple[Any, Any]
"""Number of a set of rows, or two trees."""


class Rows(NamedTuple):
    """Rows of a least-squares problem min |matrix · unknowns − right|².

    Attributes
    ----------
    blocks : numbers of the blocks of unknowns that they touch. matrix : (rows, unknowns of these blocks). right : (rows,).
    origin : number of the factor that left them; None where they are of nobody's.
    """

    blocks: tuple[int, ...]
    matrix: Array
    right: Array
    origin: int | None = None


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


def eliminate(
    rows: Sequence[Rows], sizes: Mapping[int, int], tree: Tree, dependent: float = DEPENDENT, factors: Factors | None = None
) -> list[Eliminated]:
    """Eliminate every block that some rows touch, from the leaves of a tree over the rows to its root.

    Parameters
    ----------
    sizes : number of unknowns of every block. dependent : see `DEPENDENT`. factors : as in `reduce`.
    """
    return reduce(rows, sizes, tree, Counter(block for each in rows for block in each.blocks), dependent, factors)[0]


def reduce(
    rows: Sequence[Rows],
    sizes: Mapping[int, int],
    tree: Tree,
    touched: Mapping[int, int],
    dependent: float = DEPENDENT,
    factors: Factors | None = None,
) -> tuple[list[Eliminated], Rows]:
    """Eliminate every block that no rows but these touch, and return what is left to say of the others.

    Parameters
    ----------
    touched : by how many sets of rows each block is touched, also of those that are not here.
    factors : where those of rows with an origin are looked up and kept.
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
        found, rest = condense(own, sizes, others, parts, dependent, factors)
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
    own: tuple[int, ...],
    sizes: Mapping[int, int],
    others: tuple[int, ...],
    rows: Sequence[Rows],
    dependent: float = DEPENDENT,
    factors: Factors | None = None,
) -> tuple[Eliminated, Rows]:
    """Return blocks in terms of others, and what the rows say about the others."""
    alone = [each for each in rows if set(each.blocks) <= set(own)]
    mixed = [each for each in rows if not set(each.blocks) <= set(own)]
    size = sum(sizes[block] for block in own)

    def made() -> Factor:
        return Factor(stacked(alone, own, sizes), stacked(mixed, (*own, *others), sizes), size, dependent)

    blocks = {block: number for number, block in enumerate((*own, *others))}
    key = tuple((each.origin, *(blocks[block] for block in each.blocks)) for each in rows)
    is_known = factors is not None and all(each.origin is not None for each in rows)
    factor = factors.of_part((len(own), key), made) if factors is not None and is_known else made()
    return split(own, others, factor, joined(alone), joined(mixed), dependent)


def split(
    own: tuple[int, ...], others: tuple[int, ...], factor: Factor, alone: Array, mixed: Array, dependent: float = DEPENDENT
) -> tuple[Eliminated, Rows]:
    """Return blocks in terms of others, and what is left about the others, for the right sides of a factor's rows."""
    right, rest = factor.turn(alone, mixed)
    found = Eliminated(own, others, factor.triangle, factor.rest, right, dependent)
    return found, Rows(others, factor.left, rest, factor.number)


def stacked(rows: Sequence[Rows], blocks: Sequence[int], sizes: Mapping[int, int]) -> Array:
    """Return the matrix of some rows over some blocks, in Fortran order."""
    places, width = {}, 0
    for block in blocks:
        places[block] = slice(width, width + sizes[block])
        width += sizes[block]
    matrix, top = np.zeros((sum(len(each.right) for each in rows), width), order="F"), 0
    for each in rows:
        bottom, left = top + len(each.right), 0
        for block in each.blocks:
            matrix[top:bottom, places[block]] = each.matrix[:, left : left + sizes[block]]
            left += sizes[block]
        top = bottom
    return matrix


def joined(rows: Sequence[Rows]) -> Array:
    """Return the right sides of some rows."""
    return np.concatenate([np.zeros(0), *(each.right for each in rows)])


def solve_triangle(triangle: Array, right: Array, dependent: float = DEPENDENT) -> Array:
    """Return the solution of a triangular system, that of least squares and least norm where it is singular to rounding."""
    if is_singular(triangle, dependent):
        return lstsq(triangle, right, cond=dependent, check_finite=False)[0]
    return solve_triangular(triangle, right, check_finite=False) if len(right) else right
