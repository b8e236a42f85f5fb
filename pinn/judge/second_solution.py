"""The error of a field in cells from two others, with more and with fewer features in the same cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pinn.judge.estimate import SURELY_ROUNDING, Estimate
from pinn.judge.grid import Array
from pinn.judge.system import Solution
from pinn.problem.formulas.calculus import leaves
from pinn.problem.formulas.tree import Integral
from pinn.problem.points import Points
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.sites import tensor_points
from pinn.problem.terms import Term, make_term

POINTS, SURFACE = 20_000, 4_000
"""Random points at which the three are compared, and of a condition."""

BETWEEN = 3.0
"""Residuals of the better solution that are at most so many times as large at random points as where they were made small are
resolved."""

ROUNDING = 1e-8
"""Residuals below this part of the derivatives in them may be rounding."""

SLOWEST = 0.6
"""Largest ratio of two successive differences, and of residuals between points; beyond, the differences do not tell the error."""

GROWN_ROUNDING = 1e-11
"""Differences to both that are below this are rounding that the problem has made grow, whatever their ratio."""


class Neighbours(NamedTuple):
    """Solutions of the same problem that are more and less accurate.

    Attributes
    ----------
    losses : mean squares of the better one's residuals where they were made small, by name.
    """

    better: Solution
    losses: Mapping[str, float]
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
    the estimate is d/(1 − ρ). It is believed where ρ is small for every unknown, or the error of the size of rounding. Where
    residuals between the points of the cells fall more slowly, theirs is the ρ. What all three have in common, a wrong text or
    another branch of solutions, it does not see. Estimates below 1e-12 are given as 1e-12.

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
    points = points[problem.inside(points)]
    lives = np.stack([problem.lives(name, points) for name in problem.unknown_names], axis=1)
    better, own, worse = (np.where(lives, each(points), 0.0) for each in (found.better, solution, found.worse))
    size = np.where(np.any(better, axis=0), np.linalg.norm(better, axis=0), 1.0)
    after, before = np.linalg.norm(own - better, axis=0) / size, np.linalg.norm(worse - own, axis=0) / size
    ratio = np.where(after > SURELY_ROUNDING, after / np.maximum(before, SURELY_ROUNDING), 0.0)
    quiet = np.maximum(after, before) <= GROWN_ROUNDING
    why, slowest = "", 0.0
    if not np.isfinite(after + before).all():
        why = "a solution with more or fewer features is not finite"
    elif ((ratio > SLOWEST) & ~quiet).any():
        why = f"more features in the cells change the solution by {after.max():.1e}, fewer by {before.max():.1e}"
    else:
        name, slowest = between_points(problem, solution, found)
        why = f"'{name}' is not resolved between the points of the cells" if slowest > SLOWEST else ""
    factors = 1 / (1 - np.minimum(np.maximum(ratio, slowest), SLOWEST))
    relative = np.maximum(factors * after, SURELY_ROUNDING)
    errors = {
        name: Difference(solution, found.better, number, float(factors[number]))
        for number, name in enumerate(problem.unknown_names)
    }
    each = dict(zip(problem.unknown_names, map(float, relative), strict=True))
    return Estimate(not why, why, each, 0, time.perf_counter() - begin, errors)


def between_points(problem: Problem, solution: Solution, neighbours: Neighbours) -> tuple[str, float]:
    """Return which residual falls most slowly between the points of the cells, and by what factor to the better solution.

    Only those count that are much larger at random points than where the better solution made them small; without any, the factor
    is 0. Mean sizes are compared: one point of ten thousand, in the tip of a cell of which hardly anything is in the domain, may
    have all of a mean square, and says nothing about the solution.
    """
    drawn = Points("uniform", POINTS, SURFACE).draw(problem, 0)
    slowest = ("", 0.0)
    for residual in problem.laws:
        if residual.name not in neighbours.losses or any(isinstance(leaf, Integral) for leaf in leaves(residual.tree)):
            continue
        term = make_term(problem, residual, drawn[residual.name])
        if term.num_rows == 1:  # a level fixed at a point has nothing between, and is zero but for rounding
            continue
        found, size = _mean_size(term, neighbours.better)
        before, _ = _mean_size(term, solution)
        if found > max(BETWEEN * neighbours.losses[residual.name] ** 0.5, ROUNDING * size):
            slowest = max(slowest, (residual.name, found / before if before > 0 else np.inf), key=lambda known: known[1])
    return slowest


def _mean_size(term: Term, solution: Solution) -> tuple[float, float]:
    """Return the mean absolute value of a residual, and the root mean square of the largest derivative in it."""
    jets = [solution(*image.seen) for image in term.images]
    largest = max((float(np.sqrt(np.mean(each**2, axis=0)).max()) for each in jets), default=0.0)
    return float(np.mean(np.abs(term.evaluate(jets)))), largest
