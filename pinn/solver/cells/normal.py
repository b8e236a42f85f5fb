"""Least squares with many small blocks of unknowns by normal equations that are refined, several times as fast as by reflections.

The sums of products of the rows are eliminated along a tree by Cholesky's decomposition (multifrontal: Liu 1992, SIAM Rev. 34, 82).
That squares the rows' condition; steps from the residuals of the rows themselves win back what it loses (corrected seminormal
equations: Björck 1987, Linear Algebra Appl. 88/89, 31) as long as each is much smaller than the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dsyrk, dtrsm
from scipy.linalg.lapack import dpotrf

from pinn.solver.cells.elimination import Rows, Tree

Array = np.ndarray

SMALLER = 0.1
"""A step that is not this much smaller than the one before is rounding, or shows that the rows' condition is too bad."""

ROUNDING = 1e-10
"""Length of the last step, relative to the unknowns, at most."""


class Front(NamedTuple):
    """Unknowns of which no rows are left: triangle · own = right − restᵀ · others.

    Attributes
    ----------
    own, others : places of the unknowns. triangle : lower one of Cholesky's, (own, own). rest : (others, own).
    """

    own: Array
    others: Array
    triangle: Array
    rest: Array


class Squares(NamedTuple):
    """Sums of products of rows' coefficients of some blocks of unknowns; what is above the diagonal does not count."""

    blocks: tuple[int, ...]
    matrix: Array


def least(rows: Sequence[Rows], sizes: Mapping[int, int], tree: Tree) -> dict[int, Array] | None:
    """Return the unknowns of all blocks that some rows touch; None where the condition of the rows is too bad.

    Parameters
    ----------
    sizes : number of unknowns of every block. tree : over the rows.
    """
    fronts, places = _Elimination(rows, sizes, tree).result()
    if fronts is None:
        return None
    at = [np.concatenate([np.zeros(0, int), *(places[block] for block in each.blocks)]) for each in rows]
    unknowns = np.zeros(sum(map(len, places.values())))
    last = np.inf
    while True:
        sums = np.zeros(len(unknowns))
        for each, place in zip(rows, at, strict=True):
            sums[place] += each.matrix.T @ (each.right - each.matrix @ unknowns[place])
        step = _solved(fronts, sums)
        size = float(np.linalg.norm(step))
        if not size or not size <= SMALLER * last:
            is_solved = min(size, last) <= ROUNDING * float(np.linalg.norm(unknowns))
            return {block: unknowns[place] for block, place in places.items()} if is_solved else None
        unknowns, last = unknowns + step, size


def _solved(fronts: Sequence[Front], sums: Array) -> Array:
    """Return the unknowns for the right sides of the normal equations, which are used up."""
    for front in fronts:
        sums[front.own] = dtrsm(1.0, front.triangle, sums[front.own, None], lower=1)[:, 0]
        sums[front.others] -= front.rest @ sums[front.own]
    for front in reversed(fronts):
        right = sums[front.own] - front.rest.T @ sums[front.others]
        sums[front.own] = dtrsm(1.0, front.triangle, right[:, None], lower=1, trans_a=1)[:, 0]
    return sums


class _Elimination:
    """The decomposition of the squares of rows along a tree."""

    def __init__(self, rows: Sequence[Rows], sizes: Mapping[int, int], tree: Tree):
        self._rows, self._sizes, self._tree = rows, sizes, tree
        self._own: dict[Tree, tuple[int, ...]] = {}
        self._left = Counter(block for each in rows for block in each.blocks)
        self._order(tree)
        blocks = [block for own in self._own.values() for block in own]
        ends = np.cumsum([0, *(sizes[block] for block in blocks)])
        self._rank = {block: number for number, block in enumerate(blocks)}
        self._places = {block: np.arange(ends[number], ends[number + 1]) for number, block in enumerate(blocks)}
        self._fronts: list[Front] = []

    def result(self) -> tuple[list[Front] | None, dict[int, Array]]:
        """Return the fronts in their order, None where squares are singular to rounding, and the places of the blocks' unknowns."""
        try:
            self._reduced(self._tree)
        except np.linalg.LinAlgError:
            return None, self._places
        return self._fronts, self._places

    def _order(self, node: Tree) -> set[int]:
        """Find which blocks each node of the tree eliminates, those that no rows elsewhere touch, and return which it has."""
        if isinstance(node, int):
            has = set(self._rows[node].blocks)
        else:
            first, second = (self._order(half) for half in node)
            for block in first & second:
                self._left[block] -= 1
            has = first | second
        own = tuple(sorted(block for block in has if self._left[block] == 1))
        self._own[node] = own
        return has - set(own)

    def _reduced(self, node: Tree) -> Squares:
        """Return what is left about other blocks once the node's own ones are eliminated."""
        parts = [self._squares(self._rows[node])] if isinstance(node, int) else [self._reduced(half) for half in node]
        own = self._own[node]
        if len(parts) == 1 and not own:
            return parts[0]
        others = tuple(sorted({block for part in parts for block in part.blocks} - set(own), key=self._rank.__getitem__))
        inner, lower, outer = self._assembled(own, others, parts)
        parts.clear()
        triangle, failed = dpotrf(inner, lower=1, overwrite_a=1) if own else (inner, 0)
        if failed:
            raise np.linalg.LinAlgError("squares of rows are singular to rounding")
        if own and others:
            lower = dtrsm(1.0, triangle, lower, side=1, lower=1, trans_a=1, overwrite_b=1)
            outer = dsyrk(-1.0, lower, beta=1.0, c=outer, lower=1, overwrite_c=1)
        self._fronts.append(Front(self._at(own), self._at(others), triangle, lower))
        return Squares(others, outer)

    def _squares(self, rows: Rows) -> Squares:
        order = sorted(range(len(rows.blocks)), key=lambda number: self._rank[rows.blocks[number]])
        blocks = tuple(rows.blocks[number] for number in order)
        starts = self._starts(rows.blocks)
        columns = np.concatenate([np.zeros(0, int), *(starts[block] + np.arange(self._sizes[block]) for block in blocks)])
        matrix = rows.matrix[:, columns]
        return Squares(blocks, dsyrk(1.0, matrix, trans=1, lower=1) if matrix.size else np.zeros((len(columns), len(columns))))

    def _assembled(self, own: tuple[int, ...], others: tuple[int, ...], parts: Sequence[Squares]) -> tuple[Array, Array, Array]:
        """Return the sums of parts: of own blocks, of others with own, and of others. Own ones come first in every part."""
        inner, outer = self._starts(own), self._starts(others)
        num, rest = (sum(self._sizes[block] for block in blocks) for blocks in (own, others))
        first, lower, last = (np.zeros(shape, order="F") for shape in ((num, num), (rest, num), (rest, rest)))
        for part in parts:
            spans = list(self._starts(part.blocks).items())
            for number, (block, begin) in enumerate(spans):
                width, is_own = self._sizes[block], block in inner
                column = inner[block] if is_own else outer[block]
                for other, top in spans[number:]:
                    into, row = (first, inner[other]) if other in inner else (lower if is_own else last, outer[other])
                    height = self._sizes[other]
                    into[row : row + height, column : column + width] += part.matrix[top : top + height, begin : begin + width]
        return first, lower, last

    def _starts(self, blocks: tuple[int, ...]) -> dict[int, int]:
        """Return where each block begins."""
        ends = np.cumsum([0, *(self._sizes[block] for block in blocks)]).tolist()
        return dict(zip(blocks, ends[:-1], strict=True))

    def _at(self, blocks: tuple[int, ...]) -> Array:
        return np.concatenate([np.zeros(0, int), *(self._places[block] for block in blocks)])
