"""A solution on scattered nodes as a function of points and as a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pinn.judge.reference import Reference
from pinn.judge.scattered.cloud import Array
from pinn.judge.scattered.density import Density
from pinn.judge.scattered.rows import Scatter
from pinn.judge.scattered.solve import TIME_WIDTH, Scattered
from pinn.judge.scattered.space import Space
from pinn.judge.stencils import interpolation_weights
from pinn.problem.problem import Problem
from pinn.problem.sites import tensor_points

CHUNK = 8192


def as_reference(solution: Scattered, **facts: Any) -> Reference:
    """Return a solution as a reference; outside the domain its values are not a number."""
    problem = solution.layout.problem

    def at_points(points: Array) -> Array:
        return values_at(solution, points)

    def on_axes(axes: tuple[Array, ...]) -> dict[str, Array]:
        shape = [len(axis) for axis in axes]
        return {name: values.reshape(shape) for name, values in _on_tensor(solution, axes).items()}

    kept = Scattered(solution.layout, solution.times, solution.values)
    return Reference(
        "finite_difference", unknowns=problem.unknown_names, scattered=True, tables={"solution": kept},
        at_points=at_points, on_axes=on_axes, **facts,
    )  # fmt: skip


def values_at(solution: Scattered, points: Array) -> Array:
    """Return all unknowns at points of the problem (points, dim), (points, unknowns)."""
    found = np.full((len(points), len(solution.values)), np.nan)
    problem = solution.layout.problem
    own = np.flatnonzero(problem.contains(points))
    for start in range(0, len(own), CHUNK):
        part = own[start : start + CHUNK]
        matrix = solution.layout.matrix((0,) * len(problem.space), points[part][:, solution.layout.space.columns])
        for column, values in enumerate(solution.values.values()):
            found[part, column] = _in_time(solution, matrix @ values.T, points[part])
    return found


def _in_time(solution: Scattered, values: Array, points: Array) -> Array:
    """Return values (points, times) at the time of each point."""
    problem = solution.layout.problem
    if problem.time is None:
        return values[:, 0]
    when = points[:, problem.names.index(problem.time)]
    number, weight = interpolation_weights(solution.times, when, min(TIME_WIDTH, len(solution.times)), None)
    return (np.take_along_axis(values, number, axis=1) * weight).sum(axis=1)


def _on_tensor(solution: Scattered, axes: tuple[Array, ...]) -> dict[str, Array]:
    """Return every unknown at the points of a tensor grid in the problem's order, (points,); in space only once for all times."""
    problem, space = solution.layout.problem, solution.layout.space
    places = tensor_points([axes[column] for column in space.columns])
    inside = np.flatnonzero(problem.contains(space.full(places)))
    times = np.zeros(1) if problem.time is None else axes[problem.names.index(problem.time)]
    known = solution.at(places[inside], times)
    found = {}
    for name, values in known.items():
        whole = np.full((len(times), len(places)), np.nan)
        whole[:, inside] = values
        whole = whole.reshape(len(times), *[len(axes[column]) for column in space.columns])
        found[name] = whole[0] if problem.time is None else np.moveaxis(whole, 0, problem.names.index(problem.time))
    return found


def stored(solution: Scattered) -> dict[str, Array]:
    """Return what is kept on disk of a solution: its nodes come again from their density."""
    layout = solution.layout
    arrays = {f"{name}.values": values for name, values in solution.values.items()}
    return {
        **arrays,
        "largest": np.array(layout.density.largest),
        "finer": np.array(layout.finer),
        "degree": np.array(layout.degree),
        "times": solution.times,
    }


def restored(problem: Problem, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Reference:
    """Return the reference whose solution was kept on disk.

    Raises
    ------
    ValueError : it does not fit the problem.
    """
    density = Density(Space(problem), float(arrays["largest"]))
    layout = Scatter(density, float(arrays["finer"]), int(arrays["degree"]))
    values = {name: arrays[f"{name}.values"] for name in problem.unknown_names}
    times = np.asarray(arrays["times"])
    if any(each.shape != (len(times), layout.num_nodes) for each in values.values()):
        raise ValueError("other nodes")
    return as_reference(Scattered(layout, times, values), **facts)
