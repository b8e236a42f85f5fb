"""Where the numbers of a discretised problem live: which unknown on which nodes, and which equation belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import scipy.sparse as sparse
from scipy.optimize import linear_sum_assignment

from pinn.judge.grid import Array, Grid
from pinn.judge.refusal import NoReference
from pinn.judge.stencils import difference_matrix
from pinn.problem.formulas.calculus import jets, leaves
from pinn.problem.formulas.tree import Jet, Node
from pinn.problem.problem import Problem

Index = tuple[int, ...]


class Numbering:
    """The vector y of a discretised problem: for every unknown u its nodes' values, then u_t, … below the highest time order.

    Attributes
    ----------
    shape, count : per unknown the shape of its values at its nodes, and their number.
    time_order : highest time derivative of each unknown in the equations.
    offset : where (unknown, number of time derivatives) starts in y.
    size : length of y without the scalars that `pinn.judge.rows` appends.
    """

    def __init__(self, problem: Problem, shape: Mapping[str, tuple[int, ...]]):
        self.problem, self.unknowns, self.shape = problem, problem.unknown_names, shape
        self.count = {u: int(np.prod(each)) for u, each in shape.items()}
        self.time_order = {u: problem.order(u, problem.time) if problem.time else 0 for u in self.unknowns}
        self.offset: dict[tuple[str, int], int] = {}
        self.size = 0
        for u in self.unknowns:
            for k in range(max(1, self.time_order[u])):
                self.offset[u, k] = self.size
                self.size += self.count[u]

    def field(self, values: Array, unknown: str, derivative: int = 0) -> Array:
        """Return one unknown (…, *shape) out of values (…, size)."""
        start = self.offset[unknown, derivative]
        return values[..., start : start + self.count[unknown]].reshape(*values.shape[:-1], *self.shape[unknown])

    def space_index(self, index: Index) -> tuple[Index, int]:
        """Return the space part of an index and its time order."""
        names = self.problem.names
        space = tuple(index[names.index(name)] for name in self.problem.space)
        return space, index[names.index(self.problem.time)] if self.problem.time else 0


class Layout(Numbering):
    """The numbers of a problem on a tensor grid.

    An unknown that its own equation does not contain (a pressure: a multiplier) lives on the interior nodes only, otherwise
    collocated grids have spurious modes.

    Attributes
    ----------
    pair : number of the equation that belongs to each unknown.
    nodes : per unknown the nodes along every space axis.
    """

    def __init__(self, problem: Problem, grid: Grid, accuracy: int | None):
        self.grid, self.accuracy = grid, accuracy
        refuse_uncovered(problem)
        unknowns = problem.unknown_names
        score = pairing_scores(problem)
        rows, columns = linear_sum_assignment(-score)
        self.pair = {unknowns[column]: int(row) for row, column in zip(rows, columns, strict=True)}
        self.multipliers = {u for i, u in enumerate(unknowns) if score[self.pair[u], i] == 0}
        self.nodes = {u: tuple(self._nodes(axis, u in self.multipliers) for axis in grid) for u in unknowns}
        super().__init__(problem, {u: tuple(map(len, nodes)) for u, nodes in self.nodes.items()})
        self._matrices: dict = {}

    @staticmethod
    def _nodes(axis, inside: bool) -> Array:
        return axis.nodes[1:-1] if inside and not axis.wrapped else axis.nodes

    def own_row(self, unknown: str) -> int:
        """Return the first row of the equation that belongs to an unknown."""
        return self.offset[unknown, max(1, self.time_order[unknown]) - 1]

    def matrix(self, unknown: str, index: Index, at: tuple[Array, ...]) -> sparse.csr_matrix:
        """Return the sparse matrix (tensor points, nodes) from nodal values to a space derivative on the tensor grid ``at``."""
        factors = [
            self._along(axis, nodes, order, points)
            for axis, nodes, order, points in zip(self.grid, self.nodes[unknown], index, at, strict=True)
        ]
        if not factors:
            return sparse.csr_matrix(np.ones((1, 1)))
        return reduce(lambda a, b: sparse.kron(a, b, format="csr"), factors)

    def _along(self, axis, nodes: Array, order: int, points: Array) -> sparse.csr_matrix:
        key = axis.name, len(nodes), order, points.tobytes()
        if key not in self._matrices:
            self._matrices[key] = difference_matrix(nodes, order, self._accuracy(axis), at=points, period=axis.period)
        return self._matrices[key]

    def _accuracy(self, axis) -> int | None:
        if self.accuracy is None and axis.wrapped:
            return min(8, len(axis.nodes) - 4)
        return self.accuracy


def refuse_partial(problem: Problem) -> None:
    """Raise `NoReference` for unknowns that do not depend on all coordinates."""
    for unknown in problem.unknowns:
        if unknown.depends != problem.names:
            missing = [name for name in problem.names if name not in unknown.depends]
            raise NoReference(
                f"{unknown.name} does not depend on {', '.join(missing)}; only unknowns of all coordinates are covered"
            )


def refuse_uncovered(problem: Problem) -> None:
    """Raise `NoReference` for a problem that tensor grids do not cover."""
    equations = len(problem.equations)
    if problem.domain is not None:
        raise NoReference("domains other than boxes are not covered")
    if problem.interfaces:
        raise NoReference("interfaces inside the domain are not covered")
    refuse_partial(problem)
    if equations != len(problem.unknowns):
        raise NoReference(f"{equations} equations for {len(problem.unknowns)} unknowns; as many are needed")


def space_order(tree: Node, problem: Problem) -> int:
    """Return the highest space derivative of any unknown in a tree."""
    time = problem.names.index(problem.time) if problem.time else None
    orders = [0]
    for jet in jets(tree):
        orders += [sum(index) - (index[time] if time is not None else 0) for index in jet.operator]
    return max(orders)


def pairing_scores(problem: Problem) -> Array:
    """Return (equations, unknowns): 10^(space order + 5 time order) of the unknown in the equation, 0 where it does not occur.

    The assignment of largest sum says which equation determines which unknown; a plain sum of orders would give the
    momentum equation to the pressure.
    """
    time = problem.names.index(problem.time) if problem.time else None
    score = np.zeros((len(problem.equations), len(problem.unknowns)))
    for row, equation in enumerate(problem.equations):
        for jet in leaves(equation.tree):
            if isinstance(jet, Jet) and not jet.image:
                column = problem.unknown_names.index(jet.unknown)
                for index in jet.operator:
                    weight = sum(index) + (4 * index[time] if time is not None else 0)
                    score[row, column] = max(score[row, column], 10.0**weight)
    return score
