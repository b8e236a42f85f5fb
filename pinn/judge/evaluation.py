"""Where a solution is measured and shown: on a tensor grid in all coordinates, time included, nobody trained on.

In more than six coordinates it is measured at random points, and shown on a plane through the centre.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.sites import grid_shape, tensor_points

Array = np.ndarray

POINTS_PER_AXIS = {1: 1001, 2: 101, 3: 41, 4: 21, 5: 11}
LARGEST_GRID = 6
"""Coordinates of a grid that is fine enough to measure on."""

NUM_SCATTERED = 10_000
CHUNK = 200_000

SMALL_ENDS = 20
"""Points along an axis of which the ends are a small part."""


def evaluation_axes(problem: Problem, points: int | None = None) -> tuple[Array, ...]:
    """Return the points along every coordinate, in the problem's order: ends and quarters, and irregular places between.

    Parameters
    ----------
    points : number per axis; default 1001, 101, 41, 21, 11, 7 in 1 to 6 coordinates.

    In more than six coordinates all but the first two of space, and time, have their middle as the only place.

    Even spacing is shifted by up to a quarter of a step, the same on every machine, so that regular training points and
    symmetries of the solution are not met.
    """
    shown = problem.names
    if problem.dim > LARGEST_GRID:
        shown = (*problem.space[:2], *(() if problem.time is None else (problem.time,)))
    count = points or POINTS_PER_AXIS.get(problem.dim, 7 if problem.dim <= LARGEST_GRID else POINTS_PER_AXIS[len(shown) + 1])
    return tuple(
        _irregular(c.low, c.high, count, c.name) if c.name in shown else np.array([c.low + (c.high - c.low) / 2])
        for c in problem.coordinates
    )


def scattered_points(problem: Problem) -> Array:
    """Return the points (points, dim) at which solutions of more than six coordinates are measured, uniform in the box."""
    low, high = problem.box.T
    return low + (high - low) * generator(0, "evaluation").random((NUM_SCATTERED, problem.dim))


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
        if len(axis) > 1:
            weights = np.multiply.outer(weights, trapezoid_weights(axis))
    return weights


def norm_weights(axes: Sequence[Array]) -> Array:
    """Return the weights of an L2 norm on a tensor grid: those of the trapezoidal rule, none where two faces of the box meet.

    A solution may be infinite there without being so in its norm (the pressure at the ends of a lid), or have two values (a start
    and a wall that contradict). On axes of fewer than 20 points such places are no small part of the box, and count.
    """
    weights = cell_weights(axes)
    if min((len(axis) for axis in axes if len(axis) > 1), default=0) < SMALL_ENDS:
        return weights
    ends = [np.isin(np.arange(len(axis)), (0, len(axis) - 1)) & (len(axis) > 1) for axis in axes]
    faces = sum(np.meshgrid(*ends, indexing="ij", sparse=True), np.zeros((), int))
    return np.where(faces.reshape(weights.shape) > 1, 0.0, weights)


def on_tensor(problem: Problem, solution, axes: Sequence[Array], unknowns: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the values of a solution on a tensor grid, by unknown, shaped like it; evaluated in chunks."""
    names = tuple(unknowns or problem.unknown_names)
    request = tuple((name, ((0,) * problem.dim,)) for name in names)
    points = tensor_points(tuple(axes))
    parts = [np.asarray(solution(points[i : i + CHUNK], request), dtype=float) for i in range(0, len(points), CHUNK)]
    values = np.concatenate(parts).T.reshape(len(names), *grid_shape(axes))
    return dict(zip(names, values, strict=True))
