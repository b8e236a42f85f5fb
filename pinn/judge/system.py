"""A problem on a grid as F(t, y, y') = 0 with its Jacobian: the same system is the reference and the error equation.

Every row is a formula F(x, t, jets of a given field + D y), D difference matrices. Without a field y is the finite-difference
solution; around a given field u_h it is the error, u = u_h + y, exactly (not linearised).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from pinn.judge.grid import Array, Grid
from pinn.judge.layout import Layout
from pinn.judge.refusal import NoReference
from pinn.judge.rows import Block, assemble, constant_place
from pinn.problem import calculus
from pinn.problem.problem import Problem, jet_column
from pinn.problem.program import Program
from pinn.problem.tree import Integral, Jet, Name, Node

Solution = Callable[..., Array]
"""``solution(points (points, dim), request) -> (points, len(request))`` in float64."""


@dataclass(frozen=True)
class _Compiled:
    """A block ready for numbers; "leaves" are its jets and integrals, "reads" their rows (leaves x points, unknowns)."""

    block: Block
    points: Array
    leaves: tuple[Jet | Integral, ...]
    reads: sparse.csr_matrix
    rates: sparse.csr_matrix | None
    value: Program
    slopes: Program


class _Pattern:
    """A sparse matrix whose entries are sums of given contributions: (row, column) of each, found once."""

    def __init__(self, rows: Array, columns: Array, size: int):
        keys, self._place = np.unique(columns.astype(np.int64) * size + rows, return_inverse=True)
        self._indices, self._size = keys % size, size
        self._starts = np.searchsorted(keys // size, np.arange(size + 1))

    def matrix(self, values: Array) -> sparse.csc_matrix:
        data = np.bincount(self._place, weights=values, minlength=len(self._indices))
        return sparse.csc_matrix((data, self._indices, self._starts), shape=(self._size, self._size))


class System:
    """A problem discretised on a grid.

    Parameters
    ----------
    accuracy : order of the differences; None on Chebyshev nodes.

    Attributes
    ----------
    size : number of unknowns of the system.
    affine : F is affine in y, y' and its coefficients do not depend on time.
    """

    def __init__(self, problem: Problem, grid: Grid, accuracy: int | None):
        self.problem, self.grid, self.accuracy = problem, grid, accuracy
        self.layout = Layout(problem, grid, accuracy)
        rows = assemble(self.layout)
        self.size, self.integrals, self.slacks = rows.size, rows.integrals, rows.slacks
        self.compiled = [self._compile(block) for block in rows.blocks]
        self._constants()
        self._patterns()
        self.affine = not any(
            isinstance(leaf, (Jet, Integral)) or leaf == Name(problem.time or "")
            for compiled in self.compiled
            for leaf in compiled.slopes.inputs
        )

    # building --------------------------------------------------------------------------------------------------------

    def _compile(self, block: Block) -> _Compiled:
        leaves: tuple[Jet | Integral, ...] = tuple(
            sorted((leaf for leaf in calculus.leaves(block.tree) if isinstance(leaf, (Jet, Integral))), key=repr)
        )
        points = block.points()
        known: dict[Node, Array] = {Name(axis.name): points[:, [i]] for i, axis in enumerate(self.grid)}
        pairs = [self._reads(block, leaf, len(points)) for leaf in leaves]
        empty = sparse.csr_matrix((len(points), self.size))
        reads = sparse.vstack([empty if read is None else read for read, _ in pairs], format="csr") if pairs else None
        rates = None
        if any(rate is not None for _, rate in pairs):
            rates = sparse.vstack([empty if rate is None else rate for _, rate in pairs], format="csr")
        with np.errstate(all="ignore"):
            value = Program([block.tree]).bind(known)
            slopes = Program([calculus.partial(block.tree, leaf) for leaf in leaves]).bind(known)
        return _Compiled(block, points, leaves, reads, rates, value, slopes)

    def _reads(self, block: Block, leaf: Jet | Integral, count: int) -> tuple[sparse.csr_matrix | None, sparse.csr_matrix | None]:
        """Matrices (points, size) that give a leaf from y and from y'."""
        if isinstance(leaf, Integral):
            columns = np.full(count, self.integrals[leaf])
            return sparse.csr_matrix((np.ones(count), (np.arange(count), columns)), (count, self.size)), None
        return self.jet_matrices(leaf, block.axes, block.keep)

    def jet_matrices(
        self, jet: Jet, axes: tuple[Array, ...], keep: Array
    ) -> tuple[sparse.csr_matrix | None, sparse.csr_matrix | None]:
        """Return matrices (kept points, size) that give a jet on a tensor grid from y and from y'; None for no share."""
        places = {name: constant_place(place, name) for name, place in jet.image}
        if self.problem.time in places:
            raise NoReference(f"{jet.unknown} is looked up at another time")
        axes = tuple(
            np.full(len(points), places[axis.name]) if axis.name in places else points
            for axis, points in zip(self.grid, axes, strict=True)
        )
        layout, found = self.layout, [None, None]
        highest = layout.time_order[jet.unknown]
        for index in jet.operator:
            space, order = layout.space_index(index)
            if order > highest:
                raise NoReference(f"a condition holds a higher time derivative of {jet.unknown} than the equations")
            rate = int(highest > 0 and order == highest)
            start = layout.offset[jet.unknown, order - rate]
            matrix = _shifted(layout.matrix(jet.unknown, space, axes)[keep], start, self.size)
            found[rate] = matrix if found[rate] is None else found[rate] + matrix
        return found[0], found[1]

    def _constants(self) -> None:
        """Entries that no formula gives: y_k' = y_(k+1), the integrals' own columns, the gauges' constants."""
        slope, mass = [], []
        for u, order in self.layout.time_order.items():
            for k in range(order - 1):
                here = self.layout.offset[u, k] + np.arange(self.layout.count[u])
                mass.append((here, here, np.ones(len(here))))
                slope.append((here, here + self.layout.count[u], -np.ones(len(here))))
        for row in self.integrals.values():
            slope.append((np.array([row]), np.array([row]), np.ones(1)))
        for rows, column in self.slacks:
            slope.append((rows, np.full(len(rows), column), np.ones(len(rows))))
        self._fixed = [_joined(entries) for entries in (slope, mass)]
        self._fixed_matrices = [
            sparse.csr_matrix((values, (rows, columns)), (self.size, self.size)) for rows, columns, values in self._fixed
        ]

    def _patterns(self) -> None:
        self._entries: list[list[tuple[Array, Array] | None]] = []
        self._pattern: list[_Pattern] = []
        for kind in (0, 1):
            rows, columns = [self._fixed[kind][0]], [self._fixed[kind][1]]
            entries: list[tuple[Array, Array] | None] = []
            for compiled in self.compiled:
                matrix = (compiled.reads, compiled.rates)[kind]
                if matrix is None:
                    entries.append(None)
                    continue
                coo = matrix.tocoo()
                rows.append(compiled.block.rows[coo.row % max(1, len(compiled.points))])
                columns.append(coo.col)
                entries.append((coo.row, coo.data))
            self._entries.append(entries)
            self._pattern.append(_Pattern(np.concatenate(rows), np.concatenate(columns), self.size))

    # numbers ---------------------------------------------------------------------------------------------------------

    def values(
        self, compiled: _Compiled, values: Array | None, rates: Array | None, base: Array | None, stages: int
    ) -> dict[Node, Array]:
        """Return the value of every leaf of a block, (points, stages) each."""
        if not compiled.leaves:
            return {}
        if values is None:
            total = np.zeros((compiled.reads.shape[0], stages)) if base is None else base
            return dict(zip(compiled.leaves, total.reshape(len(compiled.leaves), len(compiled.points), -1), strict=True))
        total = compiled.reads @ values
        if compiled.rates is not None:
            total = total + compiled.rates @ rates
        if base is not None:
            total = total + base
        return dict(zip(compiled.leaves, total.reshape(len(compiled.leaves), len(compiled.points), -1), strict=True))

    def evaluate(self, times: Array, values: Array | None, rates: Array | None, base: list[Array] | None = None) -> Array:
        """Return F, (size, stages), at ``times`` (stages,) for y and y' (size, stages) around the field with jets ``base``.

        None stands for y = y' = 0.
        """
        if values is None:
            result = np.zeros((self.size, len(times)))
        else:
            result = self._fixed_matrices[0] @ values + self._fixed_matrices[1] @ rates
        for number, compiled in enumerate(self.compiled):
            shape = (len(compiled.points), len(times))
            known = self.values(compiled, values, rates, None if base is None else base[number], len(times))
            value = np.broadcast_to(compiled.value(self._with_time(known, times))[0], shape)
            if compiled.block.weights is None:
                result[compiled.block.rows] += value
            else:
                row = compiled.block.rows[0]
                result[row] -= compiled.block.weights @ value
                if base is not None:
                    result[row] += self.quadrature(number, times, base)
        return result

    def quadrature(self, number: int, times: Array, base: list[Array]) -> Array:
        """Return the integral with number ``number`` of the given field alone, (stages,)."""
        compiled = self.compiled[number]
        parts = base[number].reshape(len(compiled.leaves), len(compiled.points), len(times))
        known = self._with_time(dict(zip(compiled.leaves, parts, strict=True)), times)
        value = np.broadcast_to(compiled.value(known)[0], (len(compiled.points), len(times)))
        return compiled.block.weights @ value

    def jacobian(
        self, times: Array, values: Array, rates: Array, base: list[Array] | None = None
    ) -> tuple[sparse.csc_matrix, sparse.csc_matrix]:
        """Return ∂F/∂y and ∂F/∂y' at one stage: ``times`` (1,), y and y' (size, 1)."""
        contributions: tuple[list, list] = ([self._fixed[0][2]], [self._fixed[1][2]])
        for number, compiled in enumerate(self.compiled):
            if not compiled.leaves:
                continue
            known = self.values(compiled, values, rates, None if base is None else base[number], len(times))
            slopes = compiled.slopes(self._with_time(known, times))
            count = len(compiled.points)
            factor = np.concatenate([np.broadcast_to(slope, (count, 1))[:, 0] for slope in slopes])
            if compiled.block.weights is not None:
                factor = -factor * np.tile(compiled.block.weights, len(compiled.leaves))
            for kind in (0, 1):
                if (entries := self._entries[kind][number]) is not None:
                    row, data = entries
                    contributions[kind].append(factor[row] * data)
        return tuple(pattern.matrix(np.concatenate(parts)) for pattern, parts in zip(self._pattern, contributions, strict=True))

    @cached_property
    def affine_matrices(self) -> tuple[sparse.csc_matrix, sparse.csc_matrix]:
        """∂F/∂y and ∂F/∂y' of an affine system: they depend on nothing."""
        nothing = np.zeros((self.size, 1))
        return self.jacobian(np.zeros(1), nothing, nothing)

    def _with_time(self, known: dict[Node, Array], times: Array) -> dict[Node, Array]:
        if self.problem.time:
            known[Name(self.problem.time)] = times
        return known

    def base(self, solution: Solution, times: Array) -> list[Array]:
        """Return the jets of a given field at every block, a list of (leaves x points, times)."""
        result = []
        integrals: dict[Node, Array] = {}
        for compiled in self.compiled:
            jets = field_jets(self.problem, solution, compiled.leaves, compiled.points, times)
            parts = [
                integrals[leaf] * np.ones((len(compiled.points), 1)) if isinstance(leaf, Integral) else jets[leaf]
                for leaf in compiled.leaves
            ]
            result.append(np.concatenate(parts) if parts else np.zeros((0, len(times))))
            if compiled.block.kind == "integral":
                leaf = next(leaf for leaf, row in self.integrals.items() if row == compiled.block.rows[0])
                integrals[leaf] = integrals.get(leaf, 0.0) + self.quadrature(len(result) - 1, times, result)
        return result


def field_jets(problem: Problem, solution: Solution, leaves: Sequence[Node], points: Array, times: Array) -> dict[Node, Array]:
    """Return the jets among ``leaves`` of a solution at all ``points`` (points, space axes) and ``times``, (points, times) each."""
    images: dict[tuple, list[Jet]] = {}
    for leaf in leaves:
        if isinstance(leaf, Jet):
            images.setdefault(leaf.image, []).append(leaf)
    found: dict[Node, Array] = {}
    for image, jets in images.items():
        columns = []
        space = iter(range(points.shape[1]))
        for name in problem.names:
            column = np.tile(times, len(points)) if name == problem.time else np.repeat(points[:, next(space)], len(times))
            place = dict(image).get(name)
            columns.append(column if place is None else np.full(len(column), constant_place(place, name)))
        request = tuple(dict.fromkeys(jet_column(jet) for jet in jets))
        values = np.asarray(solution(np.stack(columns, axis=1), request), dtype=float)
        for jet in jets:
            found[jet] = values[:, request.index(jet_column(jet))].reshape(len(points), len(times))
    return found


def _shifted(matrix: sparse.csr_matrix, start: int, size: int) -> sparse.csr_matrix:
    """The matrix with its columns moved to ``start`` among ``size`` columns."""
    return sparse.csr_matrix((matrix.data, matrix.indices + start, matrix.indptr), shape=(matrix.shape[0], size))


def _joined(entries: list[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    if not entries:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    rows, columns, values = zip(*entries, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
