"""The error of a field in cells from a second one with more features in the same cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pinn.judge.estimate import SURELY_ROUNDING, Estimate
from pinn.judge.grid import Array
from pinn.judge.system import Solution
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.sites import tensor_points

POINTS = 20_000
"""Random points at which the two are compared."""

CONVERGED = 0.5
"""The second solution must leave out at most this part of what the first does; else both may be wrong alike."""


class Second(NamedTuple):
    """A better solution of the same problem, and what each leaves out of the solution, relative L2.

    Attributes
    ----------
    missing, before : of the better one, and of the one that is judged.
    """

    solution: Solution
    missing: float
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
    solution. What both have in common, a wrong text or another branch of solutions, it does not see. Differences below 1e-12
    are given as 1e-12.

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
    names = problem.unknown_names
    errors = {name: Difference(solution, second.solution, number) for number, name in enumerate(names)}
    found = dict(zip(names, map(float, relative), strict=True))
    return Estimate(not why, why, found, 0, time.perf_counter() - begin, errors)
