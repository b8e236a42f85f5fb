"""The grid on which a solution is measured and shown: a tensor grid in all coordinates, time included, nobody trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pinn.judge.grid import tensor_points
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

Array = np.ndarray

POINTS_PER_AXIS = {1: 1001, 2: 101, 3: 41, 4: 21, 5: 11}
CHUNK = 200_000


def evaluation_axes(problem: Problem, points: int | None = None) -> tuple[Array, ...]:
    """Return the points along every coordinate, in the problem's order: ends and quarters, and irregular places between.

    Parameters
    ----------
    points : number per axis; default 1001, 101, 41, 21, 11 in 1 to 5 coordinates, fewer beyond.

    Even spacing is shifted by up to a quarter of a step, the same on every machine, so that regular training points and
    symmetries of the solution are not met.
    """
    count = points or POINTS_PER_AXIS.get(problem.dim, 7)
    return tuple(_irregular(c.low, c.high, count, c.name) for c in problem.coordinates)


def _irregular(low: float, high: float, count: int, name: str) -> Array:
    shift = generator(0, f"evaluation {name}").uniform(-0.25, 0.25, count)
    quarters = np.arange(5) * (count - 1) / 4
    shift[quarters[quarters % 1 == 0].astype(int)] = 0.0
    axis = low + (high - low) * (np.arange(count) + shift) / (count - 1)
    axis[-1] = high
    return axis


def cell_weights(axes: Sequence[Array]) -> Array:
    """Return weights of the trapezoidal rule on a tensor grid, sum 1, shaped like it."""
    from pinn.judge.grid import trapezoid_weights

    weights = np.ones(())
    for axis in axes:
        weights = np.multiply.outer(weights, trapezoid_weights(axis))
    return weights


def on_tensor(problem: Problem, solution, axes: Sequence[Array], unknowns: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the values of a solution on a tensor grid, by unknown, shaped like it; evaluated in chunks."""
    names = tuple(unknowns or problem.unknown_names)
    request = tuple((name, ((0,) * problem.dim,)) for name in names)
    points = tensor_points(tuple(axes))
    parts = [np.asarray(solution(points[i : i + CHUNK], request), dtype=float) for i in range(0, len(points), CHUNK)]
    values = np.concatenate(parts).T.reshape(len(names), *map(len, axes))
    return dict(zip(names, values, strict=True))
