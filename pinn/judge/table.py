"""A solution on a tensor grid of nodes as a function: local polynomial interpolation at any points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pinn.judge.grid import Array, interpolate
from pinn.judge.solve import Discrete
from pinn.judge.stencils import interpolation_weights
from pinn.problem.problem import Problem

WIDTH = 8
CHUNK = 2_000_000


class Values(Protocol):
    """Values of one unknown, at points and on grids."""

    def __call__(self, points: Array, width: int = WIDTH) -> Array:
        """Return the values (points,) at ``points`` (points, dim)."""

    def on_grid(self, axes: tuple[Array, ...], width: int = WIDTH) -> Array:
        """Return the values on the tensor grid ``axes``."""


@dataclass(frozen=True)
class Table:
    """Values of one unknown on a tensor grid.

    Attributes
    ----------
    axes : nodes along every coordinate, in the problem's order.
    values : (lengths of the axes).
    periods : per coordinate, None where it does not wrap.
    """

    axes: tuple[Array, ...]
    values: Array
    periods: tuple[float | None, ...]

    def __call__(self, points: Array, width: int = WIDTH) -> Array:
        """Return the values (points,) at ``points`` (points, dim) by ``width``-point polynomials along every axis."""
        widths = [min(width, len(axis)) for axis in self.axes]
        step = max(1, CHUNK // int(np.prod(widths)))
        parts = [self._chunk(points[start : start + step], width) for start in range(0, len(points), step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _chunk(self, points: Array, width: int) -> Array:
        dim = len(self.axes)
        numbers, weights = [], []
        for axis, (nodes, period) in enumerate(zip(self.axes, self.periods, strict=True)):
            number, weight = interpolation_weights(nodes, points[:, axis], width, period)
            shape = (len(points),) + tuple(-1 if i == axis else 1 for i in range(dim))
            numbers.append(number.reshape(shape))
            weights.append(weight)
        values = self.values[tuple(numbers)]
        for weight in reversed(weights):
            values = (values * weight.reshape(len(points), *[1] * (values.ndim - 2), -1)).sum(axis=-1)
        return values

    def on_grid(self, axes: tuple[Array, ...], width: int = WIDTH) -> Array:
        """Return the values on the tensor grid ``axes``; much faster than point by point."""
        return interpolate(self.values, self.axes, axes, width, self.periods)

    def interpolation_error(self, rng: np.random.Generator, width: int = WIDTH) -> float:
        """Return how far ``width`` points and two fewer disagree between the nodes, relative to the root mean square."""
        count = max(4, int(4000 ** (1 / len(self.axes))))
        axes = tuple(np.sort(rng.uniform(nodes[0], nodes[-1], count)) if len(nodes) > 1 else nodes for nodes in self.axes)
        fine, less = self.on_grid(axes, width), self.on_grid(axes, width - 2)
        size = np.linalg.norm(fine)
        return float(np.linalg.norm(fine - less) / size) if size > 0 else 0.0


def tables(problem: Problem, solution: Discrete) -> dict[str, Table]:
    """Return every unknown of a discrete solution as a table over the problem's coordinates."""
    found = {}
    for unknown in problem.unknown_names:
        axes, values, periods = solution.axes, solution.field(unknown), solution.periods
        if problem.time is None:
            axes, values, periods = axes[1:], values[0], periods[1:]
        else:
            place = problem.names.index(problem.time)
            axes, periods = _moved(axes, place), _moved(periods, place)
            values = np.moveaxis(values, 0, place)
        found[unknown] = Table(axes, np.ascontiguousarray(values), periods)
    return found


def _moved(items: tuple, place: int) -> tuple:
    """The first item moved to ``place``."""
    rest = items[1:]
    return (*rest[:place], items[0], *rest[place:])
