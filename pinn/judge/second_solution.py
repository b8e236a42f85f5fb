"""The error of a field in cells from a second one with more features in the same cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pinn.judge.estimate import SURELY_ROUNDING, Estimate
from pinn.judge.grid import Array
from pinn.judge.system import Solution
from pinn.problem.calculus import leaves
from pinn.problem.points import Points
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.sites import tensor_points
from pinn.problem.terms import Term, make_term
from pinn.problem.tree import Integral

POINTS, SURFACE = 20_000, 4_000
"""Random points at which the two are compared, and of a condition."""

CONVERGED = 0.5
"""The second solution must leave out at most this part of what the first does; else both may be wrong alike."""


BETWEEN = 3.0
"""Residuals of the second solution are at random points at most so many times as large as where they were made small."""

ROUNDING = 1e-8
"""Residuals below this part of the derivatives in them may be rounding."""


class Second(NamedTuple):
    """A better solution of the same problem, and what each leaves out of the solution, relative L2.

    Attributes
    ----------
    missing, before : of the better one, and of the one that is judged.
    losses : mean squares of the better one's residuals where they were made small, by name.
    """

    solution: Solution
    missing: float
    losses: Mapping[str, float]
    before: float


class Difference(NamedTuple):
    """One unknown of one solution minus that of another."""

    first: Solution
    second: Solution
    number: int

    def __call__(self, points: Array, width: int = 0) -> Array:
        """Return the difference (points,) at ``points`` (points, dim); ``width`` is of no effect."""
        return (self.first(points) - self.second(points))[:, self.number]

    def on_grid(self, axes: tuple[Array, ...], width: int = 0) -> Array:
        """Return the difference on a tensor grid."""
        return self(tensor_points(axes)).reshape([len(axis) for axis in axes])


def estimate_by(problem: Problem, solution: Solution, better: Callable[[], Second | str]) -> Estimate:
    """Return the difference from a second solution as the estimated error.

    It is the first one's error as far as the second is more accurate, which is believed if it leaves out much less of the
    solution and no residual hides from both between the points of the cells. What they have in common beyond that, a wrong text or
    another branch of solutions, it does not see. Differences below 1e-12 are given as 1e-12.

    Parameters
    ----------
    better : computes the second solution, or tells why there is none.
    """
    begin = time.perf_counter()
    second = better()
    if isinstance(second, str):
        return Estimate(False, second, seconds=time.perf_counter() - begin)
    low, high = problem.box.T
    points = low + (high - low) * generator(0, "second solution").random((POINTS, problem.dim))
    values = second.solution(points)
    difference, size = np.linalg.norm(solution(points) - values, axis=0), np.linalg.norm(values, axis=0)
    relative = np.maximum(difference / np.where(size > 0, size, 1.0), SURELY_ROUNDING)
    why = ""
    if second.missing > CONVERGED * second.before and second.before > SURELY_ROUNDING:
        why = f"more features in the cells resolve little more: {second.missing:.1e} is left out, before {second.before:.1e}"
    elif not np.isfinite(relative).all():
        why = "the second solution is not finite"
    else:
        why = hidden(problem, solution, second)
    names = problem.unknown_names
    errors = {name: Difference(solution, second.solution, number) for number, name in enumerate(names)}
    found = dict(zip(names, map(float, relative), strict=True))
    return Estimate(not why, why, found, 0, time.perf_counter() - begin, errors)


def hidden(problem: Problem, solution: Solution, second: Second) -> str:
    """Return which residual both solutions hide between the points of their cells, one line; empty when none.

    At random points it is much larger than where the second solution made it small, and about as large as the first one's.
    """
    drawn = Points("uniform", POINTS, SURFACE).draw(problem, 0)
    for residual in problem.residuals:
        if residual.name not in second.losses or any(isinstance(leaf, Integral) for leaf in leaves(residual.tree)):
            continue
        term = make_term(problem, residual, drawn[residual.name])
        found, size = _root_mean_square(term, second.solution)
        before, _ = _root_mean_square(term, solution)
        if found > max(BETWEEN * second.losses[residual.name] ** 0.5, CONVERGED * before, ROUNDING * size):
            return f"'{residual.name}' is not resolved between the points of the cells"
    return ""


def _root_mean_square(term: Term, solution: Solution) -> tuple[float, float]:
    """Return the root mean square of a residual, and of the largest derivative in it."""
    jets = [solution(image.sites.points, image.request) for image in term.images]
    largest = max((float(np.sqrt(np.mean(each**2, axis=0)).max()) for each in jets), default=0.0)
    return float(np.sqrt(np.mean(term.evaluate(jets) ** 2))), largest
