"""What a run says of an inverse problem: by which problem it is judged, how well numbers are known, whether data are matched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.checks import undetermined
from pinn.problem.observations import Observation
from pinn.problem.problem import Problem
from pinn.run.results import residual_values

if TYPE_CHECKING:
    from pinn.judge.intervals import Intervals

NOT_MATCHED = 0.2
"""Misfit of observations without stated noise, relative to their size, from which they count as not matched."""

SURELY = 5.0
"""Standard deviations of χ² beyond which misfits are larger than their stated noise."""


def judged_problem(problem: Problem, solution: Any) -> Problem:
    """Return the problem that a solution is judged by: with the numbers that were found in place of those that were sought.

    Where the exact ones are known, or functions do not follow from equations and conditions alone, it is the problem itself.
    """
    if problem.exact or not problem.is_inverse or undetermined(problem):
        return problem
    return problem.with_numbers({name: solution.numbers[name] for name in problem.numbers})


def numbers(problem: Problem, solution: Any, known: Intervals | None) -> dict[str, dict[str, Any]]:
    """Return what metrics.json holds of the unknown numbers: value, interval, and distance from the exact one if there is one."""
    found = {}
    for name in problem.numbers:
        value = float(solution.numbers[name])
        exact = exact_number(problem, name)
        error = None if exact is None else abs(value - exact)
        found[name] = {
            "value": value,
            "exact": exact,
            "relative_l2": None if error is None else error / abs(exact) if exact else error,
            "max_error": error,
            **_interval(name, known),
        }
    return found


def _interval(name: str, known: Intervals | None) -> dict[str, Any]:
    if known is None:
        return {"standard_error": None, "interval": None}
    own = known.of[name]
    return {"standard_error": _finite(own.standard_error), "interval": [_finite(own.low), _finite(own.high)]}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def exact_number(problem: Problem, name: str) -> float | None:
    """Return the exact value of an unknown number where one is given."""
    if name not in problem.exact:
        return None
    request = ((name, ((0,) * problem.dim,)),)
    return float(np.asarray(problem.exact_values(request, problem.box.mean(axis=1)[None]))[0, 0])


def misfits(problem: Problem, solution: Any) -> dict[str, dict[str, Any]]:
    """Return what metrics.json holds of the observations: their number, noise and root mean square misfit, by term."""
    found = {}
    for each in problem.data:
        rows = each.size * residual_values(problem, each, each.sites, solution)
        size = float(np.sqrt(np.mean(np.square(each.values))))
        found[each.name] = {"num": len(rows), "noise": each.noise, "misfit": float(np.sqrt(np.mean(np.square(rows)))), "size": size}
    return found


def unmatched(problem: Problem, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for every set of observations whose misfits are larger than their noise, or not small, explains."""
    lines = []
    for each in problem.data:
        misfit, num = found[each.name]["misfit"], found[each.name]["num"]
        if each.noise is not None:
            if misfit > each.noise * math.sqrt(1 + SURELY * math.sqrt(2 / num)):
                lines.append(f"'{each.name}' is not matched: the misfit is {misfit / each.noise:.1f} times the stated noise")
        elif misfit > NOT_MATCHED * each.size:
            lines.append(f"'{each.name}' is not matched: the misfit is {misfit / each.size:.0%} of the measured values")
    return lines


def noise_of(each: Observation, misfit: float) -> float:
    """Return the deviation of the rows of observations: the stated noise, else what is left, over their size."""
    return (each.noise or misfit) / each.size
