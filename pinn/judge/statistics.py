"""What a family says of its parameters: mean, variance and quantiles over their distributions, dependence and sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinn.problem.problem import Problem
from pinn.problem.quantities import SolutionLike, quantity_at
from pinn.problem.randomness import generator
from pinn.problem.shapes.regions import unit_points
from pinn.problem.shapes.selectors import matters
from pinn.problem.sites import tensor_points

Array = np.ndarray

NODES = {1: 32, 2: 16, 3: 9, 4: 7}
"""Of Gauss's rule along each parameter, by their number; more parameters have a Sobol sequence."""

NUM_SAMPLES = 4096
"""Of a Sobol sequence."""

QUANTILES = (0.05, 0.5, 0.95)

GRID = {1: 101, 2: 33}
"""Points along each plain coordinate on which statistics of the solution are computed, by their number; none in more."""

NUM_PLACES = 41
"""Values of a parameter along which dependence on it is shown."""

NUM_CURVES = 24
"""Values of the other parameters, or places in the domain, for each of which dependence on a parameter is shown."""


def quadrature(problem: Problem) -> tuple[Array, Array]:
    """Return columns of the parameters (points, parameters) and weights (points,) of sum 1 for means over them.

    Products of Gauss's rules in up to four parameters, equal weights at a Sobol sequence in more.
    """
    parameters = problem.parameters
    if len(parameters) not in NODES:
        columns = samples(problem, NUM_SAMPLES)
        return columns, np.full(len(columns), 1 / len(columns))
    rules = [parameter.quadrature(NODES[len(parameters)]) for parameter in parameters]
    weights = tensor_points([weight for _, weight in rules]).prod(axis=1)
    return tensor_points([nodes for nodes, _ in rules]), weights


def samples(problem: Problem, num: int) -> Array:
    """Return columns of the parameters distributed as they are, (num, parameters)."""
    unit = unit_points("sobol", num, len(problem.parameters), generator(0, "statistics"))
    return np.stack([parameter.place(unit[:, axis]) for axis, parameter in enumerate(problem.parameters)], axis=1)


def has_distribution(problem: Problem) -> bool:
    """Whether a parameter has a distribution; ranges beside it count as uniform in their column."""
    return any(parameter.distribution for parameter in problem.parameters)


def numbers(problem: Problem) -> list[str]:
    """Return the quantities that are numbers once the parameters have values."""
    own = {parameter.name for parameter in problem.parameters}
    return [name for name, tree in problem.quantities.items() if set(matters(tree, problem.names)) <= own]


def statistics(problem: Problem, solution: SolutionLike) -> dict[str, Any]:
    """Return mean, variance, standard deviation and quantiles of every quantity that is a number, by name.

    The mean and the variance are those of `quadrature`, quantiles those of a Sobol sequence.
    """
    found = {}
    columns, weights = quadrature(problem)
    drawn = samples(problem, NUM_SAMPLES)
    for name in numbers(problem):
        values = quantity_at(problem, name, solution, _points(problem, columns))
        mean = float(weights @ values)
        variance = float(weights @ np.square(values - mean))
        many = quantity_at(problem, name, solution, _points(problem, drawn))
        found[name] = {
            "mean": mean, "variance": variance, "std": float(np.sqrt(variance)),
            "quantiles": {f"{part:g}": float(np.quantile(many, part)) for part in QUANTILES},
        }  # fmt: skip
    return found


def _points(problem: Problem, columns: Array) -> Array:
    """Return points (points, dim) with such columns of parameters, in a corner of all other coordinates."""
    corner = np.broadcast_to(problem.box[: problem.num_plain, 0], (len(columns), problem.num_plain))
    return np.hstack([corner, columns])


def plain_axes(problem: Problem) -> tuple[Array, ...] | None:
    """Return the axes of the plain coordinates on which statistics of the solution are computed; None where they are many."""
    count = GRID.get(problem.num_plain)
    if count is None:
        return None
    return tuple(np.linspace(low, high, count) for low, high in problem.box[: problem.num_plain])


def fields(problem: Problem, solution: SolutionLike) -> dict[str, Array]:
    """Return mean, standard deviation and quantiles of every unknown on the grid of `plain_axes`: ``u.mean``, ``u.0.05``."""
    axes = plain_axes(problem)
    if axes is None:
        return {}
    shape = tuple(map(len, axes))
    columns, weights = quadrature(problem)
    inside = problem.contains(np.hstack([tensor_points(axes), np.zeros((np.prod(shape), len(problem.parameters)))])).reshape(shape)
    few = samples(problem, NUM_SAMPLES // 8)
    found: dict[str, Array] = {}
    for number, name in enumerate(problem.unknown_names):
        values = _on_all(problem, solution, axes, columns, number)
        mean = values @ weights
        variance = np.square(values - mean[:, None]) @ weights
        parts = np.quantile(_on_all(problem, solution, axes, few, number), QUANTILES, axis=1)
        found |= {f"{name}.mean": mean.reshape(shape), f"{name}.std": np.sqrt(variance).reshape(shape)}
        found |= {f"{name}.{part:g}": each.reshape(shape) for part, each in zip(QUANTILES, parts, strict=True)}
    return {name: np.where(inside, values, np.nan) for name, values in found.items()}


def _on_all(problem: Problem, solution: SolutionLike, axes: Sequence[Array], columns: Array, number: int) -> Array:
    """Return an unknown at all plain points for all columns, (points, columns)."""
    places = tensor_points(axes)
    step = max(1, 200_000 // len(columns))
    parts = []
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        points = np.hstack([np.repeat(some, len(columns), axis=0), np.tile(columns, (len(some), 1))])
        parts.append(solution(points, problem.values)[:, number].reshape(len(some), len(columns)))
    return np.concatenate(parts)


def dependence(problem: Problem, solution: SolutionLike) -> dict[str, Array]:
    """Return curves along every parameter: ``NAME.PARAMETER`` (curves, places), their mean, and ``PARAMETER`` the places.

    Of a quantity that is a number each curve is for other values of the other parameters, and the mean is the partial dependence
    (Friedman 2001, Ann. Stat. 29, 1189; curves: Goldstein et al. 2015, J. Comput. Graph. Stat. 24, 44). Of an unknown each
    curve is for another place in the domain, too.
    """
    found: dict[str, Array] = {}
    others, places = samples(problem, 32)[:NUM_CURVES], _places(problem)
    for axis, parameter in enumerate(problem.parameters):
        along = np.linspace(*parameter.ends, NUM_PLACES)
        found[parameter.name] = parameter.value(along)
        columns = np.repeat(others if len(problem.parameters) > 1 else others[:1], NUM_PLACES, axis=0)
        columns[:, axis] = np.tile(along, len(columns) // NUM_PLACES)
        for name in numbers(problem):
            if parameter.name not in matters(problem.quantities[name], problem.names):
                continue
            curves = quantity_at(problem, name, solution, _points(problem, columns)).reshape(-1, NUM_PLACES)
            found |= {f"{name}.{parameter.name}": curves, f"{name}.{parameter.name}.mean": curves.mean(axis=0)}
        columns = np.repeat(others[: len(places)], NUM_PLACES, axis=0)
        columns[:, axis] = np.tile(along, len(places))
        points = np.hstack([np.repeat(places, NUM_PLACES, axis=0), columns])
        values = solution(points, problem.values)
        for number, unknown in enumerate(problem.unknown_names):
            curves = values[:, number].reshape(len(places), NUM_PLACES)
            found |= {f"{unknown}.{parameter.name}": curves, f"{unknown}.{parameter.name}.mean": curves.mean(axis=0)}
    return found


def _places(problem: Problem) -> Array:
    """Return random places in the domain, at most `NUM_CURVES`, (places, dim without parameters)."""
    low, high = problem.box[: problem.num_plain].T
    places = low + (high - low) * generator(0, "dependence").random((20 * NUM_CURVES, problem.num_plain))
    inside = problem.inside(np.hstack([places, np.zeros((len(places), len(problem.parameters)))]))
    return places[inside][:NUM_CURVES]


def sensitivity(problem: Problem, solution: SolutionLike) -> dict[str, Array]:
    """Return derivatives of every unknown by every parameter, in the middle of all, on the grid of `plain_axes`: ``u_nu``."""
    axes = plain_axes(problem)
    if axes is None:
        return {}
    places, shape = tensor_points(axes), tuple(map(len, axes))
    middle = np.array([sum(parameter.ends) / 2 for parameter in problem.parameters])
    points = np.hstack([places, np.tile(middle, (len(places), 1))])
    inside = problem.contains(points)
    found = {}
    for number, parameter in enumerate(problem.parameters):
        axis = problem.num_plain + number
        index = tuple(int(other == axis) for other in range(problem.dim))
        factor = parameter.slope_factors(1, points[:, axis])[1]
        values = solution(points, tuple((unknown, (index,)) for unknown in problem.unknown_names))
        for column, unknown in enumerate(problem.unknown_names):
            found[f"{unknown}_{parameter.name}"] = np.where(inside, factor * values[:, column], np.nan).reshape(shape)
    return found
