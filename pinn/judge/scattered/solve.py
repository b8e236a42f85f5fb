"""A problem on scattered nodes solved: Newton's method when it is steady, Radau IIA when it has a time, least squares in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pinn.judge.newton import newton
from pinn.judge.radau import Radau
from pinn.judge.refusal import NoReference
from pinn.judge.scattered.cloud import Array
from pinn.judge.scattered.density import Density
from pinn.judge.scattered.least_squares import LeastSquares, WeightedRows
from pinn.judge.scattered.rows import Scatter, discretised, starting
from pinn.judge.solve import Evolution
from pinn.judge.stencils import difference_matrix
from pinn.judge.system import Discretised
from pinn.problem.problem import Problem

TIME_WIDTH = 8
"""Times of which a value between them is made."""


@dataclass(frozen=True)
class Scattered:
    """Nodal values at times.

    Attributes
    ----------
    times : (times,); the one time 0 of a steady problem.
    values : by unknown, (times, nodes).
    """

    layout: Scatter
    times: Array
    values: Mapping[str, Array]

    def at(self, points: Array, times: Array) -> dict[str, Array]:
        """Return every unknown at points (points, axes) and times, (times, points)."""
        matrix = self.layout.matrix((0,) * points.shape[1], points)
        return {name: self.in_time(times) @ (matrix @ values.T).T for name, values in self.values.items()}

    def in_time(self, times: Array) -> Any:
        """Return the matrix from the own times to others."""
        if len(self.times) == 1:
            return np.ones((len(times), 1))
        return difference_matrix(self.times, 0, min(TIME_WIDTH, len(self.times)), at=times)


@dataclass(frozen=True)
class Solved(Scattered):
    """A solution with the system it solves.

    Attributes
    ----------
    vector : y at the times, (times, size).
    """

    system: Discretised
    vector: Array

    @cached_property
    def factorise(self) -> WeightedRows:
        """How the system's linear systems are solved."""
        return WeightedRows(self.system)


def degree_for(problem: Problem, order: int) -> int:
    """Return the degree of the patches for differences of an order of all derivatives in the equations and conditions."""
    highest = max(problem.order(unknown, name) for unknown in problem.unknown_names for name in problem.space)
    return order + max(highest, 2) - 1


def solve(density: Density, finer: float, steps: int, degree: int, start: Scattered | None = None) -> Solved:
    """Solve on nodes so many times finer than a density and, in time, with so many steps.

    Parameters
    ----------
    start : where Newton's method begins.

    Raises
    ------
    NoConvergence, NoReference
    """
    problem = density.space.problem
    layout = Scatter(density, finer, degree)
    system = discretised(layout)
    if problem.time is None:
        times = np.zeros(1)
        vector = _steady(system, layout, start)[None]
    else:
        low, high = next((c.low, c.high) for c in problem.coordinates if c.name == problem.time)
        times = np.linspace(low, high, steps + 1)
        evolution = Evolution(system, times)
        vector = Radau(evolution, factorise=WeightedRows(system)).march(times, _first(layout))
    return Solved(layout, times, {u: layout.field(vector, u) for u in layout.unknowns}, system, vector)


def _steady(system: Discretised, layout: Scatter, start: Scattered | None) -> Array:
    """The vector y with F(y) = 0 in the sense of least squares."""
    evolution = Evolution(system, None)
    zero, moment, first = np.zeros((system.size, 1)), np.zeros(1), np.zeros(system.size)
    if start is not None and not system.affine:
        for unknown, values in start.at(layout.nodes, moment).items():
            begin = layout.offset[unknown, 0]
            first[begin : begin + layout.count[unknown]] = values[0]
    return newton(
        lambda y: evolution.residual(0, moment, y[:, None], zero)[:, 0],
        lambda y: evolution.jacobian(0, moment, y[:, None], zero)[0],
        first,
        linear=evolution.linear,
        tolerance=1e-10,
        factorise=WeightedRows(system),
    )


def _first(layout: Scatter) -> Array:
    """The vector y at the first time: what fits the starting conditions best."""
    system, y = starting(layout), np.zeros(layout.size)
    if system is None:
        if any(layout.time_order.values()):
            raise NoReference("there are no starting values")
        return y
    if not system.affine or any(compiled.rates is not None for compiled in system.compiled):
        raise NoReference("a starting condition is not linear, or holds a derivative in time as high as the equations do")
    matrix = system.affine_matrices[0]
    known = np.diff(matrix.indptr) > 0
    for unknown, order in layout.time_order.items():
        begin = layout.offset[unknown, 0]
        if order and not known[begin : begin + layout.count[unknown]].all():
            raise NoReference(f"no starting value for {unknown}")
    low = layout.problem.box[layout.problem.names.index(str(layout.problem.time)), 0]
    load = system.evaluate(np.array([low]), None, None)
    if not np.isfinite(load).all():
        raise NoReference("a starting value is not finite")
    y[known] = -LeastSquares(matrix[:, known], WeightedRows(system).weights(matrix)).solve(load[:, 0])
    return y
