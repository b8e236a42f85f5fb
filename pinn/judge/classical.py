"""The classical line: error against seconds of finite differences of orders 2, 4, 8 and of Chebyshev collocation, in this run.

Where a network loses to it, the report says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.judge.evaluation import cell_weights
from pinn.judge.metrics import relative_l2
from pinn.judge.reference import Reference
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.table import tables
from pinn.judge.windows import affordable, solve_on
from pinn.problem.problem import Problem

METHODS: Mapping[str, int | None] = {"order 2": 2, "order 4": 4, "order 8": 8, "chebyshev": None}
FIRST = {"order 2": 8, "order 4": 8, "order 8": 12, "chebyshev": 6}


UNSTABLE = 10.0
"""A relative error above this comes from growth, not from a grid that is too coarse."""


@dataclass(frozen=True)
class Point:
    """One solve: the method, cells per axis, seconds (set-up included) and the largest relative L2 error of an unknown."""

    method: str
    cells: int
    seconds: float
    error: float


@dataclass(frozen=True)
class Classical:
    """All solves, and what they say about a solution with a given error that took given seconds.

    Attributes
    ----------
    method_at_equal_error, seconds_at_equal_error : the fastest method that reaches the error, interpolated between grids.
    method_at_equal_time, error_at_equal_time : the most accurate method within the seconds.
    why : why there are no solves.
    """

    lines: tuple[Point, ...]
    seconds_at_equal_error: float | None = None
    method_at_equal_error: str | None = None
    error_at_equal_time: float | None = None
    method_at_equal_time: str | None = None
    why: str = ""

    def record(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds under ``classical``."""
        return {
            "order": self.method_at_equal_error,
            "seconds_at_equal_error": self.seconds_at_equal_error,
            "order_at_equal_time": self.method_at_equal_time,
            "error_at_equal_time": self.error_at_equal_time,
            "why": self.why,
            "lines": [{"order": p.method, "grid": p.cells, "seconds": p.seconds, "error": p.error} for p in self.lines],
        }


def classical(problem: Problem, reference: Reference, error: float, seconds: float, *, limit: float = 5.0) -> Classical:
    """Return the classical line of a problem.

    Parameters
    ----------
    reference : what the errors are measured against; errors near its bar say no more than the bar.
    error, seconds : of the solution to compare with.
    limit : seconds for all solves together.
    """
    if reference.kind == "none":
        return Classical((), why="no reference to measure errors against")
    lines: list[Point] = []
    why = ""
    for number, (method, order) in enumerate(METHODS.items()):
        deadline = time.perf_counter() + limit / len(METHODS)
        try:
            lines += _line(problem, reference, method, order, deadline, error)
        except NoReference as refusal:
            if number == 0:
                return Classical((), why=str(refusal))
            why = str(refusal)
    return _compared(tuple(lines), error, seconds, why)


def _line(problem: Problem, reference: Reference, method: str, order: int | None, deadline: float, wanted: float) -> list[Point]:
    points: list[Point] = []
    cells = FIRST[method]
    while affordable(problem, cells):
        begin = time.perf_counter()
        try:
            found = solve_on(problem, cells, order, {}, chebyshev=order is None)
        except (NoConvergence, ValueError):
            found = None
        except NoReference:
            if not points:
                raise
            break
        now = time.perf_counter()
        if found is not None:
            error = max(_error(problem, reference, found), reference.bar)
            if error <= 1:
                points.append(Point(method, cells, now - begin, error))
            elif not error < UNSTABLE:  # as one-sided stencils of high order are for waves: finer is worse
                break
        if now + 4 * (now - begin) > deadline or (order is None and cells >= 48):
            break
        if points and points[-1].error < max(1e-3 * wanted, 2 * reference.bar, 1e-13):
            break
        cells = cells * 2 if order in (2, 4) else cells * 3 // 2
    return points


def _error(problem: Problem, reference: Reference, found) -> float:
    """The largest relative L2 error of an unknown at the nodes."""
    errors = []
    for name, table in tables(problem, found).items():
        truth = reference.on_grid(table.axes)[name]
        errors.append(relative_l2(table.values, truth, cell_weights(table.axes)))
    return max(errors)


def _compared(lines: tuple[Point, ...], error: float, seconds: float, why: str) -> Classical:
    fastest: tuple[float, str] | None = None
    best: tuple[float, str] | None = None
    for method in METHODS:
        line = [point for point in lines if point.method == method]
        needed = _seconds_for(line, error)
        if needed is not None and (fastest is None or needed < fastest[0]):
            fastest = needed, method
        reached = _error_within(line, seconds)
        if reached is not None and (best is None or reached < best[0]):
            best = reached, method
    needed, quick = fastest or (None, None)
    reached, accurate = best or (None, None)
    return Classical(lines, needed, quick, reached, accurate, why)


def _seconds_for(line: list[Point], error: float) -> float | None:
    """Seconds at which a line reaches an error, by straight lines between its grids in double logarithmic scale."""
    if not (error > 0 and math.isfinite(error)):
        return None
    previous = None
    for point in line:
        if point.error <= error:
            if previous is None or previous.error <= point.error or point.error <= 0:
                return point.seconds
            share = math.log(previous.error / error) / math.log(previous.error / point.error)
            return math.exp(math.log(previous.seconds) + share * math.log(point.seconds / previous.seconds))
        previous = point
    return None


def _error_within(line: list[Point], seconds: float) -> float | None:
    reached = [point.error for point in line if point.seconds <= seconds]
    return float(np.min(reached)) if reached else None
