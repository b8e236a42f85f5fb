"""How far a solution is from a reference, on the evaluation grid or, in many coordinates, at random points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn.judge.evaluation import CHUNK, LARGEST_GRID, cell_weights, evaluation_axes, on_tensor, scattered_points
from pinn.judge.given import compared_rows, shown_axes, shown_values
from pinn.judge.reference import Reference
from pinn.problem.data.given import Given
from pinn.problem.problem import Problem
from pinn.problem.sites import grid_shape, tensor_points

Array = np.ndarray


@dataclass(frozen=True)
class Metrics:
    """Values of a solution on the evaluation grid and its distance from a reference.

    Attributes
    ----------
    axes : points along every coordinate.
    solution : by unknown, shaped like the grid (`pinn.problem.sites.grid_shape`).
    reference, error : likewise; error is solution minus reference; empty without a reference, and for a file not a number outside.
    relative_l2 : |error| / |reference| in L2, by unknown of the reference; the norm of the error itself where it vanishes.
    max_error : largest absolute error, by unknown.
    is_finite : whether the solution is finite everywhere in the domain; outside it values are not a number.
    """

    axes: tuple[Array, ...]
    solution: Mapping[str, Array]
    reference: Mapping[str, Array]
    error: Mapping[str, Array]
    relative_l2: Mapping[str, float]
    max_error: Mapping[str, float]
    is_finite: bool = True

    def record(self) -> dict[str, dict[str, float | None]]:
        """Return what ``metrics.json`` holds under ``unknowns``."""
        return {name: {"relative_l2": self.relative_l2.get(name), "max_error": self.max_error.get(name)} for name in self.solution}


def metrics(problem: Problem, solution, reference: Reference, axes: tuple[Array, ...] | None = None) -> Metrics:
    """Return the distance of ``solution`` from ``reference`` on a tensor grid.

    Parameters
    ----------
    solution : callable (points (points, dim), request) -> (points, len(request)).
    axes : points along every coordinate; default `evaluation_axes`.

    In more than six coordinates the grid is a plane and the numbers are of `scattered_points`.

    Points where the reference is not finite (a logarithm of zero on a wall) are left out.
    """
    axes = (shown_axes(problem, reference.given) if reference.given else evaluation_axes(problem)) if axes is None else axes
    values = on_tensor(problem, solution, axes)
    points = tensor_points(tuple(axes))
    outside = {name: ~problem.lives(name, points).reshape(grid_shape(axes)) for name in values}
    is_finite = all(np.isfinite(array[~outside[name]]).all() for name, array in values.items())
    values = _masked(values, outside)
    if reference.given is not None:
        return _beside_file(problem, solution, reference.given, axes, values, is_finite)
    if reference.kind == "none":
        return Metrics(axes, values, {}, {}, {}, {}, is_finite)
    truth = _masked(reference.on_grid(axes), outside)
    error = {name: values[name] - truth[name] for name in values}
    if problem.dim <= LARGEST_GRID:
        measured, known, weights = values, truth, cell_weights(axes)
    else:
        points, weights = scattered_points(problem), np.ones(())
        pairs = zip(np.asarray(solution(points, problem.values), dtype=float).T, reference(points).T, strict=True)
        columns = dict(zip(problem.unknown_names, pairs, strict=True))
        measured, known = ({name: pair[k] for name, pair in columns.items()} for k in (0, 1))
    return Metrics(
        axes,
        values,
        truth,
        error,
        {name: relative_l2(measured[name], known[name], weights) for name in values},
        {name: _largest(measured[name], known[name]) for name in values},
        is_finite,
    )


def _beside_file(
    problem: Problem, solution, given: Given, axes: tuple[Array, ...], values: Mapping[str, Array], is_finite: bool
) -> Metrics:
    """Return the distance from the values of a file at its places; on the grid they are shown only."""
    rows = compared_rows(problem, given)
    points, weights = given.points[rows], (1.0 if given.axes is None else cell_weights(given.axes).ravel())
    parts = [solution(points[i : i + CHUNK], problem.values) for i in range(0, len(points), CHUNK)]
    found = dict(zip(problem.unknown_names, np.concatenate([np.asarray(part, float) for part in parts]).T, strict=True))
    truth = {name: values[rows] for name, values in given.values.items()}
    shown = {name: array for name in truth if (array := shown_values(given, name, axes)) is not None}
    return Metrics(
        axes,
        values,
        shown,
        {name: values[name] - array for name, array in shown.items()},
        {name: relative_l2(found[name], array, np.broadcast_to(weights, len(given.points))[rows]) for name, array in truth.items()},
        {name: _largest(found[name], array) for name, array in truth.items()},
        is_finite,
    )


def _masked(values: Mapping[str, Array], outside: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays that are not a number where an unknown does not live."""
    return {name: np.where(outside[name], np.nan, array) if outside[name].any() else array for name, array in values.items()}


def _largest(values: Array, truth: Array) -> float:
    return float(np.max(np.abs(values - truth), where=np.isfinite(truth), initial=0.0))


def relative_l2(values: Array, truth: Array, weights: Array | float = 1.0) -> float:
    """Return |values - truth| / |truth| of arrays of one shape, weighted; where the truth vanishes the numerator alone."""
    known = np.isfinite(truth)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.sqrt(np.sum(np.where(known, weights * np.square(values - truth), 0.0)))
        size = np.sqrt(np.sum(np.where(known, weights * np.square(truth), 0.0)))
    return float(error / size) if size > 0 else float(error)
