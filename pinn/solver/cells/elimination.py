"""Least squares with many small blocks of unknowns, by orthogonal elimination of one block after the other.

The rows of such a problem touch few blocks each. Eliminating a block takes all rows that touch it, decomposes them, keeps as many
rows as it has unknowns, and leaves the others as rows in its neighbours' unknowns (multifrontal sparse QR: Liu 1986, ACM Trans.
Math. Softw. 12, 127; Davis 2011, ibid. 38, 8). The normal equations are never formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq, qr, solve_triangular

Array = np.ndarray

DEPENDENT = 1e-14
"""Combinations of unknowns that the rows determine this little, relative to the best determined, get no part of the solution."""


class Rows(NamedTuple):
    """Rows of a least-squares problem min |matrix · unknowns − right|².

    Attributes
    ----------
    blocks : names of the blocks of unknowns that they touch. matrix : (rows, unknowns of these blocks). right : (rows,).
    """

    blocks: tuple[int, ...]
    matrix: Array
    right: Array


class Eliminated(NamedTuple):
    """A block of unknowns as a function of others: triangle · own = right − rest · others."""

    block: int
    others: tuple[int, ...]
    triangle: Array
    rest: Array
    right: Array

    def solve(self, known: Mapping[int, Array]) -> Array:
        """Return the block's unknowns, given the others'."""
        right = self.right
        if self.others:
            right = right - self.rest @ np.concatenate([known[other] for other in self.others])
        return solve_triangle(self.triangle, right)


def eliminate(rows: Sequence[Rows], sizes: Mapping[int, int]) -> list[Eliminated]:
    """Eliminate every block, each time the one whose neighbours have the fewest unknowns.

    Parameters
    ----------
    sizes : number of unknowns of every block.
    """
    touching: dict[int, list[Rows]] = {block: [] for block in sizes}
    for each in rows:
        for block in each.blocks:
            touching[block].append(each)
    degrees = {block: _degree(block, found, sizes) for block, found in touching.items()}
    done = []
    while degrees:
        block = min(degrees, key=lambda name: (degrees[name], name))
        del degrees[block]
        own = touching.pop(block)
        others = tuple(sorted({other for each in own for other in each.blocks} - {block}))
        found, left = _eliminate(block, others, own, sizes)
        done.append(found)
        gone = {id(each) for each in own}
        for other in others:
            touching[other] = [each for each in touching[other] if id(each) not in gone] + [left]
            degrees[other] = _degree(other, touching[other], sizes)
    return done


def substitute(done: Iterable[Eliminated]) -> dict[int, Array]:
    """Return the unknowns of all blocks."""
    known: dict[int, Array] = {}
    for each in reversed(list(done)):
        known[each.block] = each.solve(known)
    return known


def _degree(block: int, rows: Iterable[Rows], sizes: Mapping[int, int]) -> int:
    return sum(sizes[other] for other in {other for each in rows for other in each.blocks} - {block})


def _eliminate(block: int, others: tuple[int, ...], rows: Sequence[Rows], sizes: Mapping[int, int]) -> tuple[Eliminated, Rows]:
    """Return the block in terms of the others, and what the rows say about the others."""
    places, width = {}, 0
    for name in (block, *others):
        places[name] = slice(width, width + sizes[name])
        width += sizes[name]
    front = np.zeros((sum(len(each.right) for each in rows), width + 1))
    top = 0
    for each in rows:
        bottom, left = top + len(each.right), 0
        for name in each.blocks:
            front[top:bottom, places[name]] = each.matrix[:, left : left + sizes[name]]
            left += sizes[name]
        front[top:bottom, -1] = each.right
        top = bottom
    return condense(block, sizes[block], others, front)


def condense(block: int, size: int, others: tuple[int, ...], front: Array) -> tuple[Eliminated, Rows]:
    """Decompose rows (rows, size + others' unknowns + 1): the block's unknowns first, the right side last."""
    triangle = triangular(front)
    found = Eliminated(block, others, triangle[:size, :size], triangle[:size, size:-1], triangle[:size, -1])
    rest = triangle[size:]
    return found, Rows(others, rest[:, size:-1], rest[:, -1])


def triangular(front: Array) -> Array:
    """Return the triangular factor of a matrix, with rows of zeros where it has fewer rows than columns; the matrix is used up."""
    rows, columns = front.shape
    found = qr(front, mode="r", overwrite_a=True, check_finite=False)[0][:columns]
    return found if rows >= columns else np.concatenate([found, np.zeros((columns - rows, columns))])


def solve_triangle(triangle: Array, right: Array) -> Array:
    """Return the solution of a triangular system, that of least squares and least norm where it is singular to rounding."""
    diagonal = np.abs(np.diag(triangle))
    if diagonal.min(initial=np.inf) > DEPENDENT * diagonal.max(initial=0.0):
        return solve_triangular(triangle, right, check_finite=False)
    return lstsq(triangle, right, cond=DEPENDENT, check_finite=False)[0]
