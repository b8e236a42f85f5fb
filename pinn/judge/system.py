"""A problem on a grid as F(t, y, y') = 0 with its Jacobian: the same system is the reference and the error equation.

Every row is a formula F(x, t, jets of a given field + D y), D difference matrices. Without a field y is the finite-difference
solution; around a given field u_h it is the error, u = u_h + y, exactly (not linearised).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sparse

from pinn.judge.grid import Array, Grid
from pinn.judge.layout import Index, Layout, Numbering
from pinn.judge.refusal import NoReference
from pinn.judge.rows import Rows, assemble, constant_place
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Integral, Jet, Name, Node
from pinn.problem.problem import Problem, jet_column

Solution = Callable[..., Array]
"""``solution(points (points, dim), request) -> (points, len(request))`` in float64."""


class AnyPlaces(Protocol):
    """Points in space at which formulas are wanted."""

    def known(self, problem: Problem) -> dict[Node, Array]:
        """Return what is known there but of unknowns and time: coordinates, normals; (points, 1) each."""

    def matrix(self, layout: Any, jet: Jet, index: Index) -> sparse.csr_matrix:
        """Return the matrix (points, nodes) from nodal values of the jet's unknown to a space derivative, at its image."""


class AnyBlock(Protocol):
    """One formula at some points, see `pinn.judge.rows.Block`."""

    @property
    def tree(self) -> Node:
        """Scalar tree without normals but those that its places know."""

    @property
    def rows(self) -> Array:
        """The row of each point."""

    @property
    def unknown(self) -> str:
        """The unknown it belongs to."""

    @property
    def kind(self) -> str:
        """One of equation, condition, gauge, integral."""

    @property
    def weights(self) -> Array | None:
        """Of the quadrature of an integral."""

    @property
    def places(self) -> AnyPlaces:
        """Where it stands."""

    def points(self) -> Array:
        """Return the points in space, (points, axes)."""


@dataclass(frozen=True)
class _Compiled:
    """A block ready for numbers; "leaves" are its jets and integrals, "reads" their rows (leaves x points, unknowns)."""

    block: AnyBlock
    points: Array
    leaves: tuple[Jet | Integral, ...]
    reads: sparse.csr_matrix
    rates: sparse.csr_matrix | None
    value: Program
    slopes: Program


class _Pattern:
    """A sparse matrix whose entries are sums of given contributions: (row, column) of each, found once."""

    def __init__(self, rows: Array, columns: Array, shape: tuple[int, int]):
        keys, self._place = np.unique(columns.astype(np.int64) * shape[0] + rows, return_inverse=True)
        self._indices, self._shape = keys % shape[0], shape
        self._starts = np.searchsorted(keys // shape[0], np.arange(shape[1] + 1))

    def matrix(self, values: Array) -> sparse.csc_matrix:
        data = np.bincount(self._place, weights=values, minlength=len(self._indices))
        return sparse.csc_matrix((data, self._indices, self._starts), shape=self._shape)


class _Sum:
    """The same found anew every time: slower, but a pattern takes several times the memory of the matrix."""

    def __init__(self, rows: Array, columns: Array, shape: tuple[int, int]):
        self._places, self._shape = (rows.astype(np.int32), columns.astype(np.int32)), shape

    def matrix(self, values: Array) -> sparse.csc_matrix:
        return sparse.coo_matrix((values, self._places), shape=self._shape).tocsc()


class Discretised:
    """A problem with numbers in place of functions.

    Parameters
    ----------
    layout : where the numbers live. rows : what they satisfy.

    Attributes
    ----------
    size : number of unknowns of the system.
    num_rows : number of equations; more than unknowns where they are solved by least squares.
    affine : F is affine in y, y' and its coefficients do not depend on time.
    """

    def __init__(self, layout: Numbering, rows: Rows):
        self.problem, self.layout = layout.problem, layout
        self.size, self.integrals, self.slacks = rows.size, rows.integrals, rows.slacks
        self.num_rows = rows.num_rows
        self.compiled = [self._compile(block) for block in rows.blocks]
        self._constants()
        self._patterns()
        self.affine = not any(
            isinstance(leaf, (Jet, Integral)) or leaf == Name(self.problem.time or "")
            for compiled in self.compiled
            for leaf in compiled.slopes.inputs
        )

    # building --------------------------------------------------------------------------------------------------------

    def _compile(self, block: AnyBlock) -> _Compiled:
        leaves: tuple[Jet | Integral, ...] = tuple(
            sorted((leaf for leaf in calculus.leaves(block.tree) if isinstance(leaf, (Jet, Integral))), key=repr)
        )
        points, known = block.points(), block.places.known(self.problem)
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

    def _reads(
        self, block: AnyBlock, leaf: Jet | Integral, count: int
    ) -> tuple[sparse.csr_matrix | None, sparse.csr_matrix | None]:
        """Matrices (points, size) that give a leaf from y and from y'."""
        if isinstance(leaf, Integral):
            columns = np.full(count, self.integrals[leaf])
            return sparse.csr_matrix((np.ones(count), (np.arange(count), columns)), (count, self.size)), None
        return self.jet_matrices(leaf, block.places)

    def jet_matrices(self, jet: Jet, places: AnyPlaces) -> tuple[sparse.csr_matrix | None, sparse.csr_matrix | None]:
        """Return matrices (points, size) that give a jet at some places from y and from y'; None for no share."""
        if self.problem.time in dict(jet.image):
            raise NoReference(f"{jet.unknown} is looked up at another time")
        layout, found = self.layout, [None, None]
        highest = layout.time_order[jet.unknown]
        for index in jet.operator:
            space, order = layout.space_index(index)
            if order > highest:
                raise NoReference(f"a condition holds a higher time derivative of {jet.unknown} than the equations")
            rate = int(highest > 0 and order == highest)
            start = layout.offset[jet.unknown, order - rate]
            matrix = _shifted(places.matrix(layout, jet, space), start, self.size)
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
            sparse.csr_matrix((values, (rows, columns)), (self.num_rows, self.size)) for rows, columns, values in self._fixed
        ]

    def _patterns(self) -> None:
        self._entries: list[list[tuple[Array, Array] | None]] = []
        self._pattern: list[_Pattern | _Sum] = []
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
            kind_of_sum = _Pattern if self.num_rows == self.size else _Sum
            self._pattern.append(kind_of_sum(np.concatenate(rows), np.concatenate(columns), (self.num_rows, self.size)))

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
        """Return F, (num_rows, stages), at ``times`` (stages,) for y and y' (size, stages) around the field with jets ``base``.

        None stands for y = y' = 0. Where a formula is not finite F is not.
        """
        if values is None:
            result = np.zeros((self.num_rows, len(times)))
        else:
            result = self._fixed_matrices[0] @ values + self._fixed_matrices[1] @ rates
        for number, compiled in enumerate(self.compiled):
            shape = (len(compiled.points), len(times))
            known = self.values(compiled, values, rates, None if base is None else base[number], len(times))
            with np.errstate(all="ignore"):
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
        with np.errstate(all="ignore"):
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
            with np.errstate(all="ignore"):
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


class System(Discretised):
    """A problem discretised on a tensor grid.

    Parameters
    ----------
    accuracy : order of the differences; None on Chebyshev nodes.
    """

    def __init__(self, problem: Problem, grid: Grid, accuracy: int | None):
        self.grid, self.accuracy = grid, accuracy
        self.layout: Layout
        layout = Layout(problem, grid, accuracy)
        super().__init__(layout, assemble(layout))


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
