"""The classical line: error against seconds of finite differences of orders 2, 4, 8 and of Chebyshev collocation, in this run.

Where a network loses to it, the report says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pinn.judge.evaluation import norm_weights
from pinn.judge.metrics import relative_l2
from pinn.judge.reference import Reference
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.table import tables
from pinn.judge.verdict import KNOWN
from pinn.judge.windows import affordable, solve_on
from pinn.problem.problem import Problem

METHODS: Mapping[str, int | None] = {"order 2": 2, "order 4": 4, "order 8": 8, "chebyshev": None}
FIRST = {"order 2": 8, "order 4": 8, "order 8": 12, "chebyshev": 6}


HIGHEST_SCATTERED = 4
"""Order on scattered nodes: the patches of higher ones hold hundreds of nodes."""

UNSTABLE = 10.0
"""A relative error above this comes from growth, not from a grid that is too coarse."""


@dataclass(frozen=True)
class Point:
    """One solve: the method, cells per axis, seconds (set-up included) and the largest relative L2 error of an unknown.

    ``limited``: the reference is not known much better than that; ``error`` then is what the true one is at most.
    """

    method: str
    cells: int
    seconds: float
    error: float
    limited: bool = False


@dataclass(frozen=True)
class Classical:
    """All solves, and what they say about a solution with a given error that took given seconds.

    Attributes
    ----------
    method_at_equal_error, seconds_at_equal_error : the fastest method that reaches the error, interpolated between grids.
    method_at_equal_time, error_at_equal_time : the most accurate method within the seconds.
    limited_at_equal_error : the reference hides whether another method reaches the error earlier.
    limited_at_equal_time : the error within the seconds is an upper bound, the reference being known no better.
    floor : error bar of the reference, below which no error can be told; 0 for an exact solution.
    why : why there are no solves.
    """

    lines: tuple[Point, ...]
    seconds_at_equal_error: float | None = None
    method_at_equal_error: str | None = None
    error_at_equal_time: float | None = None
    method_at_equal_time: str | None = None
    limited_at_equal_error: bool = False
    limited_at_equal_time: bool = False
    floor: float = 0.0
    why: str = ""

    def record(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds under ``classical``."""
        return {
            "order": self.method_at_equal_error,
            "seconds_at_equal_error": self.seconds_at_equal_error,
            "order_at_equal_time": self.method_at_equal_time,
            "error_at_equal_time": self.error_at_equal_time,
            "limited_at_equal_error": self.limited_at_equal_error,
            "limited_at_equal_time": self.limited_at_equal_time,
            "floor": self.floor,
            "why": self.why,
            "lines": [
                {"order": p.method, "grid": p.cells, "seconds": p.seconds, "error": p.error, "limited": p.limited}
                for p in self.lines
            ],
        }


def classical(problem: Problem, reference: Reference, error: float, seconds: float, *, limit: float = 5.0) -> Classical:
    """Return the classical line of a problem.

    Parameters
    ----------
    reference : what the errors are measured against; near its bar an error is known from above only.
    error, seconds : of the solution to compare with.
    limit : seconds for all solves together.
    """
    if reference.kind in ("none", "file"):
        known = "no reference" if reference.kind == "none" else "no reference but a file, which has values at its own places only"
        return Classical((), why=f"{known} to measure errors against")
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
    floor = reference.bar if reference.kind != "exact" else 0.0
    return replace(_compared(tuple(lines), error, seconds), floor=floor, why=why)


def _line(problem: Problem, reference: Reference, method: str, order: int | None, deadline: float, wanted: float) -> list[Point]:
    if problem.domain is not None or problem.interfaces:
        return (
            []
            if order is None or order > HIGHEST_SCATTERED
            else _scattered_line(problem, reference, method, order, deadline, wanted)
        )
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
            error, limited = _error(problem, reference, found)
            if error <= 1:
                points.append(Point(method, cells, now - begin, error, limited))
            elif not error < UNSTABLE:  # as one-sided stencils of high order are for waves: finer is worse
                break
        if now + 4 * (now - begin) > deadline or (order is None and cells >= 48):
            break
        if points and points[-1].error < max(1e-3 * wanted, 2 * reference.bar, 1e-13):
            break
        cells = cells * 2 if order in (2, 4) else cells * 3 // 2
    return points


def _scattered_line(problem: Problem, reference: Reference, method: str, order: int, deadline: float, wanted: float) -> list[Point]:
    """The same by least squares on scattered nodes, where a domain is no box or has interfaces."""
    from pinn.judge.scattered.line import errors, solutions

    points: list[Point] = []
    for seconds, found in solutions(problem, order):
        error, limited = _largest(reference, errors(problem, reference, found))
        points.append(Point(method, found.layout.num_nodes, seconds, error, limited))
        if time.perf_counter() + 4 * seconds > deadline or error < max(1e-3 * wanted, 2 * reference.bar, 1e-13):
            break
    return points


def _error(problem: Problem, reference: Reference, found) -> tuple[float, bool]:
    """The largest relative L2 error of an unknown at the nodes, and whether it is an upper bound, the reference being no better."""
    distances = {}
    for name, table in tables(problem, found).items():
        truth = reference.on_grid(table.axes)[name]
        distances[name] = relative_l2(table.values, truth, norm_weights(table.axes))
    return _largest(reference, distances)


def _largest(reference: Reference, distances: Mapping[str, float]) -> tuple[float, bool]:
    """The largest distance from a reference, with its bar where that is large against it, and whether it is."""
    errors = []
    for name, distance in distances.items():
        bar = reference.relative_error[name]
        limited = bar > KNOWN * distance
        errors.append((distance + bar if limited else distance, limited))
    return max(errors)


def _compared(lines: tuple[Point, ...], error: float, seconds: float) -> Classical:
    """What the lines say; where two points bracket the error it is interpolated between them."""
    reaching = [(needed, method) for method in METHODS if (needed := _seconds_for(_of(lines, method), error)) is not None]
    within = [point for point in lines if point.seconds <= seconds]
    needed, quick = min(reaching, default=(None, None))
    best = min(within, key=lambda point: point.error, default=None)
    hidden = any(point.limited and point.error > error and (needed is None or point.seconds < needed) for point in lines)
    return Classical(
        lines,
        seconds_at_equal_error=needed,
        method_at_equal_error=quick,
        error_at_equal_time=best.error if best else None,
        method_at_equal_time=best.method if best else None,
        limited_at_equal_error=hidden,
        limited_at_equal_time=best is not None and best.limited,
    )


def _of(lines: tuple[Point, ...], method: str) -> list[Point]:
    return [point for point in lines if point.method == method]


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
