"""Values of a solution from a file: at which of its places they are compared, and on which grid they are shown."""

from __future__ import annotations

import math

import numpy as np

from pinn.judge.evaluation import evaluation_axes
from pinn.problem.data.given import Given
from pinn.problem.data.interpolation import through_grid
from pinn.problem.data.scattered import through_points
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.sites import grid_shape, tensor_points

Array = np.ndarray

MOST_ROWS = 200_000
"""Places of a file at which a solution is compared, drawn at random where there are more."""

FEWEST_PLACES, REACH = 8, 0.9
"""Places along a coordinate, and part of its range, from which on the grid of a file is good for pictures."""

MOST_TRIANGLES = 50_000
"""Scattered points that are joined to triangles for a picture; of more the closest is shown."""


def compared_rows(problem: Problem, given: Given) -> Array:
    """Return which rows of a file are compared, in order: places of the domain."""
    rows = np.flatnonzero(problem.contains(given.points))
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(generator(0, "rows of a file").choice(rows, MOST_ROWS, replace=False))


def shown_axes(problem: Problem, given: Given) -> tuple[Array, ...]:
    """Return the grid on which a solution is shown beside a file: that of the file where it is fine enough and not too fine."""
    if given.axes is None or math.prod(map(len, given.axes)) > MOST_ROWS:
        return evaluation_axes(problem)
    fine = all(
        len(axis) >= FEWEST_PLACES and np.ptp(axis) >= REACH * (high - low)
        for axis, (low, high) in zip(given.axes, problem.box, strict=True)
    )
    return given.axes if fine else evaluation_axes(problem)


def shown_values(given: Given, unknown: str, axes: tuple[Array, ...]) -> Array | None:
    """Return the values of a file on a grid, linear between its places and not a number beyond; None where it has no such shape."""
    values = given.values[unknown]
    if axes is given.axes:
        return values.reshape(grid_shape(axes))
    names = tuple(map(str, range(len(axes))))
    known = np.isfinite(values)
    try:
        if given.axes is not None and known.all():
            grid = values.reshape([len(axis) for axis in given.axes])
            function = through_grid(unknown, given.file, "linear", dict(zip(names, given.axes, strict=True)), grid, {})
        else:
            kind = "linear" if known.sum() <= MOST_TRIANGLES and len(axes) <= 3 else "nearest"
            columns = dict(zip(names, given.points[known].T, strict=True))
            function = through_points(unknown, given.file, kind, columns, values[known])
    except BadInput:  # one place along a coordinate, or points on a line
        return None
    points = tensor_points(axes)
    inside = np.all((points >= function.low) & (points <= function.high), axis=1)
    found = function.evaluate(np.clip(points, function.low, function.high), (0,) * len(axes))
    return np.where(inside, found, np.nan).reshape(grid_shape(axes))
