"""The error of a field in cells from two others, with more and with fewer features in the same cells."""

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
"""Random points at which the three are compared."""

SLOWEST = 0.6
"""Largest ratio of two successive differences; beyond, the differences do not tell the error."""


class Neighbours(NamedTuple):
    """Solutions of the same problem that are more and less accurate."""

    better: Solution
    worse: Solution


class Difference(NamedTuple):
    """One unknown of one solution minus that of another, times a factor."""

    first: Solution
    second: Solution
    number: int
    factor: float

    def __call__(self, points: Array, width: int = 0) -> Array:
        """Return the difference (points,) at ``points`` (points, dim); ``width`` is of no effect."""
        return self.factor * (self.first(points) - self.second(points))[:, self.number]

    def on_grid(self, axes: tuple[Array, ...], width: int = 0) -> Array:
        """Return the difference on a tensor grid."""
        return self(tensor_points(axes)).reshape([len(axis) for axis in axes])


def estimate_by(problem: Problem, solution: Solution, neighbours: Callable[[], Neighbours | str]) -> Estimate:
    """Return the estimated error of a solution from its differences to a better one and to a worse one.

    Where the differences fall by a factor ρ from one to the next, the difference d to the better solution is 1 − ρ of the error, so
    the estimate is d/(1 − ρ). It is believed where ρ is small for every unknown, or the error of the size of rounding. What all
    three have in common, a wrong text or another branch of solutions, it does not see. Estimates below 1e-12 are given as 1e-12.

    Parameters
    ----------
    neighbours : computes the two, or tells why there are none.
    """
    begin = time.perf_counter()
    found = neighbours()
    if isinstance(found, str):
        return Estimate(False, found, seconds=time.perf_counter() - begin)
    low, high = problem.box.T
    points = low + (high - low) * generator(0, "second solution").random((POINTS, problem.dim))
    better = found.better(points)
    own, worse = solution(points), found.worse(points)
    size = np.where(np.any(better, axis=0), np.linalg.norm(better, axis=0), 1.0)
    after, before = np.linalg.norm(own - better, axis=0) / size, np.linalg.norm(worse - own, axis=0) / size
    ratio = np.where(after > SURELY_ROUNDING, after / np.maximum(before, SURELY_ROUNDING), 0.0)
    factors = 1 / (1 - np.minimum(ratio, SLOWEST))
    relative = np.maximum(factors * after, SURELY_ROUNDING)
    why = ""
    if not np.isfinite(relative).all():
        why = "a solution with more or fewer features is not finite"
    elif (ratio > SLOWEST).any():
        why = f"more features in the cells change the solution by {after.max():.1e}, fewer by {before.max():.1e}"
    errors = {
        name: Difference(solution, found.better, number, float(factors[number]))
        for number, name in enumerate(problem.unknown_names)
    }
    each = dict(zip(problem.unknown_names, map(float, relative), strict=True))
    return Estimate(not why, why, each, 0, time.perf_counter() - begin, errors)
