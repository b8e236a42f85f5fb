"""Families of problems: one problem for each value of the parameters, and solutions of a family as those of its members."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.formulas.calculus import jets, leaves
from pinn.problem.formulas.tree import Integral, Node
from pinn.problem.settings import BadInput, nearest

if TYPE_CHECKING:
    from pinn.problem.problem import Problem, Request

Array = np.ndarray


def across_parameters(problem: Problem, tree: Node) -> list[str]:
    """Return the parameters along which a tree differentiates an unknown, or at other values of which it looks one up."""
    found: set[str] = set()
    for leaf in leaves(tree):
        if isinstance(leaf, Integral):
            found |= set(across_parameters(problem, leaf.integrand))
    for jet in jets(tree):
        axes = {axis for index in jet.operator for axis, order in enumerate(index) if order}
        found |= {problem.names[axis] for axis in axes} | {name for name, _ in jet.image}
    return [parameter.name for parameter in problem.parameters if parameter.name in found]


def check_members(problem: Problem) -> None:
    """Raise `BadInput` when an equation or condition compares solutions for different values of a parameter.

    So do observations and unknown numbers, which belong to one value, and unknowns that do not depend on the parameters.
    """
    if problem.parameters and any(unknown.depends not in ((), problem.names) for unknown in problem.unknowns):
        raise BadInput("parameters together with unknowns of fewer coordinates are not supported yet").about("unknowns")
    if problem.parameters and (problem.is_inverse or problem.given):
        raise BadInput("parameters together with observations, unknown numbers or a reference from a file are not supported yet")
    for residual in problem.residuals:
        for name in across_parameters(problem, residual.tree):
            place = "equations" if residual.kind == "equation" else "conditions"
            what = f"compares solutions for different values of the parameter '{name}'; derivatives by it stand in quantities"
            raise BadInput(what).about(place, residual.condition)


def values_by_name(problem: Problem, given: Mapping[str, Any]) -> dict[str, float]:
    """Return values of single parameters from those of parameters and of vectors.

    Raises
    ------
    BadInput : a name that is no parameter, a value outside the range, or a vector of another length.
    """
    known, found = {parameter.name: parameter for parameter in problem.parameters}, {}
    vectors = {
        parameter.vector: [each.name for each in problem.parameters if each.vector == parameter.vector]
        for parameter in known.values()
    }
    for name, value in given.items():
        if name not in known and name not in vectors:
            raise BadInput(
                f"'{name}' is not a parameter{nearest(name, [*known, *vectors])}; parameters: {', '.join(vectors) or 'none'}"
            )
        parts = [name] if name in known else vectors[name]
        numbers = np.atleast_1d(np.asarray(value, float))
        if numbers.shape != (len(parts),):
            raise BadInput(f"'{name}' takes {len(parts)} number{'s' * (len(parts) > 1)}, got {value!r}")
        for part, number in zip(parts, numbers.tolist(), strict=True):
            parameter, slack = known[part], 1e-9 * (known[part].high - known[part].low)
            if not parameter.low - slack <= number <= parameter.high + slack:
                raise BadInput(
                    f"{part}={number:g} lies outside the range of the parameter, {parameter.low:g} to {parameter.high:g}"
                )
            found[part] = float(np.clip(number, parameter.low, parameter.high))
    return found


def member(problem: Problem, values: Mapping[str, float]) -> Problem:
    """Return the plain problem with values of all parameters in place of the parameters.

    Quantities that compare different values of a parameter are left out.

    Parameters
    ----------
    values : by the name of each single parameter, as `values_by_name` gives them.

    Raises
    ------
    BadInput : a parameter without a value.
    """
    from pinn.problem.language import read_problem

    missing = [parameter.name for parameter in problem.parameters if parameter.name not in values]
    if missing:
        raise BadInput(f"parameter {missing[0]} is missing; give {', '.join(parameter.name for parameter in problem.parameters)}")
    mapping = {key: value for key, value in problem.source.items() if key != "parameters"}
    mapping["quantities"] = {
        name: text
        for name, text in (problem.source.get("quantities") or {}).items()
        if not across_parameters(problem, problem.quantities[name])
    }
    every = dict(values)
    for vector in dict.fromkeys(parameter.vector for parameter in problem.parameters if parameter.vector != parameter.name):
        every[vector] = [values[each.name] for each in problem.parameters if each.vector == vector]  # type: ignore[assignment]
    used = _words(mapping)
    mapping["constants"] = {**(mapping.get("constants") or {}), **{name: value for name, value in every.items() if name in used}}
    shown = ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
    return read_problem({**mapping, "title": f"{problem.title} at {shown}"}, problem.name)


def middle(problem: Problem) -> Problem:
    """Return the member of a family in the middle of its parameters; a problem without parameters is its own only member."""
    if not problem.parameters:
        return problem
    columns = [sum(parameter.ends) / 2 for parameter in problem.parameters]
    return member(problem, values_at(problem, columns))


def _words(mapping: Mapping[str, Any]) -> set[str]:
    """Return all words in the formulas of a problem."""
    from pinn.problem.checks import texts

    return set(
        re.findall(r"[A-Za-z]\w*", " ".join(texts({k: v for k, v in mapping.items() if k not in ("title", "citation", "units")})))
    )


class Member:
    """The solution of a family as that of one of its members.

    Parameters
    ----------
    solution : of the family: callable (points (points, dim), request, side) -> (points, len(request)).
    columns : of the parameters, (parameters,).
    """

    def __init__(self, problem: Problem, solution: Callable[..., Array], columns: Array):
        self.problem, self.solution, self.columns = problem, solution, np.asarray(columns, float)

    def __call__(self, points: Array, request: Request | None = None, side: Array | None = None) -> Array:
        """Return derivatives by the other coordinates at points (points, dim without parameters), (points, len(request))."""
        points, more = np.asarray(points, float), len(self.columns)
        full = np.hstack([points, np.broadcast_to(self.columns, (len(points), more))])
        wanted = (
            self.problem.values
            if request is None
            else tuple((unknown, tuple(index + (0,) * more for index in operator)) for unknown, operator in request)
        )
        if side is None:
            return self.solution(full, wanted)
        return self.solution(full, wanted, np.hstack([side, np.zeros((len(points), more))]))


def derivative_by_values(
    problem: Problem, solution: Callable[..., Array], points: Array, unknown: str, index: tuple[int, ...]
) -> Array:
    """Return a derivative of an unknown, by the values of parameters and not by their columns, (points,).

    Parameters
    ----------
    points : (points, dim), with columns. index : orders along every coordinate.
    """
    cut = problem.num_plain
    found: dict[tuple[int, ...], Any] = {index[:cut]: 1.0}
    for axis, parameter in enumerate(problem.parameters, cut):
        factors = parameter.slope_factors(index[axis], points[:, axis])
        found = {
            (*above, order): part * factor for above, part in found.items() for order, factor in enumerate(factors) if factor.any()
        }
    values = solution(points, tuple((unknown, (each,)) for each in found))
    return sum((factor * values[:, column] for column, factor in enumerate(found.values())), start=np.zeros(len(points)))


def columns_of(problem: Problem, values: Mapping[str, float]) -> Array:
    """Return the columns of the parameters (parameters,) that belong to values by name."""
    return np.array([float(parameter.column(values[parameter.name])) for parameter in problem.parameters])


def shown_axes(problem: Problem, axes: Sequence[Array]) -> tuple[Array, ...]:
    """Return axes of all coordinates with the values of parameters in place of their columns."""
    own = [parameter.value(axis) for parameter, axis in zip(problem.parameters, axes[problem.num_plain :], strict=True)]
    return (*axes[: problem.num_plain], *own)


def values_at(problem: Problem, columns: Iterable[float]) -> dict[str, float]:
    """Return the values by name that belong to the columns of the parameters."""
    return {parameter.name: float(parameter.value(column)) for parameter, column in zip(problem.parameters, columns, strict=True)}
