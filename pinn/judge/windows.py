"""The finite-difference reference: three nested grids, moved up until the order is observed and the error bar is small."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn.judge.error_bar import ErrorBar, error_bar, rounding_error
from pinn.judge.grid import Array, Map, equidistributing, interpolate, make_grid, straight, trapezoid_weights
from pinn.judge.linear import factorise
from pinn.judge.reference import Reference, no_reference
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.settings import FiniteDifferenceReference
from pinn.judge.solve import Discrete, march, solve_steady, step_times
from pinn.judge.system import System
from pinn.judge.table import Table, tables
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

FIRST_CELLS = {0: 8, 1: 8, 2: 8, 3: 4}
LARGEST_SIZE = {0: 20_000, 1: 20_000, 2: 25_000, 3: 5_000}
LARGEST_WORK = {0: 1_000_000, 1: 2_200_000, 2: 320_000, 3: 100_000}
TIME_ORDER = 5
GOOD_ENOUGH, POOR = 1e-5, 1e-3
RANK = {"observed": 0, "roundoff": 1, "not asymptotic": 2, "none": 3}


@dataclass(frozen=True)
class Window:
    """Three nested solutions and what their differences say about the finest, by unknown."""

    solutions: tuple[Discrete, Discrete, Discrete]
    cells: int
    order: int
    bars: Mapping[str, ErrorBar]
    adapted: bool

    @property
    def state(self) -> str:
        """The worst state of an unknown."""
        return max((bar.state for bar in self.bars.values()), key=RANK.__getitem__)

    @property
    def bar(self) -> float:
        """The largest bar of an unknown."""
        return max(bar.bar for bar in self.bars.values())

    @property
    def merit(self) -> float:
        """Smaller is better: the bar, three times as much where the order is not seen, infinite where nothing converges."""
        return {"observed": 1.0, "roundoff": 1.0, "not asymptotic": 3.0, "none": np.inf}[self.state] * self.bar


def finite_differences(problem: Problem, settings: FiniteDifferenceReference) -> Reference:
    """Return the finite-difference reference of a problem, of kind "none" with the reason when there is none.

    Even nodes first; where they do not resolve the solution, nodes concentrated by what was found so far; where order 4 is
    not observed, order 2. The best window is taken.
    """
    begin = time.perf_counter()
    search = _Search(problem, settings, begin)
    try:
        best = search.refine(settings.order, {})
        if search.poor(best) and settings.adapt:
            best = search.better(best, search.refine(settings.order, search.concentrated(), adapted=True))
        if settings.order > 2 and (best is None or best.merit > POOR):
            best = search.better(best, search.refine(2, {}))
    except NoReference as error:
        return no_reference(str(error), time.perf_counter() - begin)
    if best is None or best.state == "none":
        why = search.why if best is None else f"no order of convergence is seen up to {best.cells * 4} cells per axis"
        return no_reference(why or "no order of convergence is seen", time.perf_counter() - begin)
    return _finished(problem, best, time.perf_counter() - begin)


def cells_and_steps(problem: Problem, cells: int) -> tuple[int, int]:
    """Return (size of the factorisation, size times steps) of a grid: what it will cost."""
    nodes = (cells + 1) ** len(problem.space)
    unknowns = len(problem.unknowns)
    return int(nodes * unknowns**1.5), nodes * unknowns * (cells if problem.time else 1)


def affordable(problem: Problem, cells: int, size: float = 1.0) -> bool:
    """Whether a grid with ``cells`` cells per axis is within ``size`` times the limits; counted, so the same on every machine."""
    dim = min(3, len(problem.space))
    nodes, work = cells_and_steps(problem, cells)
    return nodes <= size * LARGEST_SIZE[dim] and (problem.time is None or work <= size * LARGEST_WORK[dim])


def solve_on(
    problem: Problem, cells: int, order: int | None, maps: Mapping[str, Map], start: Discrete | None = None, **keys
) -> Discrete:
    """Solve on a grid of ``cells`` cells per axis and, in time, as many steps; ``start`` is where Newton's method begins."""
    system = System(problem, make_grid(problem, cells, maps, **keys), order)
    if problem.time:
        return march(system, step_times(system, cells))
    return solve_steady(system, start=None if start is None or system.affine else _resampled(start, system))


class _Search:
    def __init__(self, problem: Problem, settings: FiniteDifferenceReference, begin: float):
        self.problem, self.settings, self.begin = problem, settings, begin
        self.why = ""
        self.finest: Discrete | None = None

    def refine(self, order: int, maps: Mapping[str, Map], adapted: bool = False) -> Window | None:
        """Move the window up until its bar is small enough; return the best one seen."""
        cells = self.settings.cells or FIRST_CELLS[min(3, len(self.problem.space))]
        solutions: list[Discrete] = []
        best, expected = None, 0.0
        while affordable(self.problem, cells, self.settings.size) and self._spent() + expected < self.settings.seconds:
            begin = self._spent()
            try:
                solutions = self._extended(solutions, cells, order, maps)
            except NoReference:
                if not solutions:
                    raise
                break
            if len(solutions) == 3:
                window = self._window(tuple(solutions), cells // 4, order, adapted)
                best = self.better(best, window)
                if window.merit <= self.settings.target or window.state == "roundoff":
                    break
            expected = (self._spent() - begin) * 2.0 ** len(self.problem.names)
            cells *= 2
        if best is None and not self.why:
            self.why = "three grids cost more than allowed"
        return best

    def _spent(self) -> float:
        return time.perf_counter() - self.begin

    def _extended(self, solutions: list[Discrete], cells: int, order: int, maps: Mapping[str, Map]) -> list[Discrete]:
        """The last two solutions and the next; none where the next grid has no solution."""
        try:
            self.finest = solve_on(self.problem, cells, order, maps, solutions[-1] if solutions else None)
        except (NoConvergence, ValueError) as error:
            self.why = f"{error} on {cells} cells per axis"
            return []
        return [*solutions[-2:], self.finest]

    def _window(self, solutions, cells: int, order: int, adapted: bool) -> Window:
        bars, formal = {}, order if self.problem.space else TIME_ORDER
        for unknown in self.problem.unknown_names:
            values, weights = nested(solutions, unknown)
            coarse, middle, fine = values
            bars[unknown] = error_bar(coarse, middle, fine, formal, weights=weights, rounding=_rounding(solutions[2]))
        return Window(solutions, cells, formal, bars, adapted)

    @staticmethod
    def better(first: Window | None, second: Window | None) -> Window | None:
        """The window with the smaller trustworthy bar."""
        if first is None or second is None:
            return first or second
        return min(first, second, key=lambda window: window.merit)

    def poor(self, window: Window | None) -> bool:
        """Whether concentrated nodes are worth a try."""
        return window is None or window.merit > max(GOOD_ENOUGH, self.settings.target)

    def concentrated(self) -> dict[str, Map]:
        """Maps that follow the finest solution so far."""
        return {} if self.finest is None else adapted_maps(self.finest)


def nested(solutions: tuple[Discrete, ...], unknown: str) -> tuple[list[Array], Array]:
    """Return one unknown of nested solutions (coarse to fine) at the nodes of the coarsest, and quadrature weights there."""
    values = []
    for level, solution in enumerate(solutions):
        field, stride = solution.field(unknown), 2**level
        inside = unknown in solution.system.layout.multipliers
        time_slice = slice(None, None, stride if len(solution.times) > 1 else 1)
        space = [slice(stride - 1 if inside and not axis.wrapped else 0, None, stride) for axis in solution.system.grid]
        values.append(field[(time_slice, *space)])
    coarse = solutions[0]
    values = [value[tuple(slice(0, n) for n in values[0].shape)] for value in values]
    weights = np.ones(())
    for nodes, period in zip(coarse.axes(unknown), coarse.periods, strict=True):
        weights = np.multiply.outer(weights, trapezoid_weights(nodes, period))
    return values, weights


def adapted_maps(solution: Discrete) -> dict[str, Map]:
    """Return maps that concentrate nodes where any unknown of a solution is steep or bent, for all axes that do not wrap."""
    maps = {}
    for place, axis in enumerate(solution.system.grid):
        if axis.wrapped:
            continue
        s = (axis.nodes - axis.low) / (axis.high - axis.low)
        slope, bend = np.zeros(len(s)), np.zeros(len(s))
        for unknown in solution.system.problem.unknown_names:
            values = np.moveaxis(solution.field(unknown), place + 1, 0).reshape(
                len(solution.system.layout.nodes[unknown][place]), -1
            )
            if len(values) != len(s):
                continue
            size = max(np.abs(values).max(), 1e-300)
            first = np.gradient(values / size, s, axis=0)
            slope = np.maximum(slope, np.abs(first).max(axis=1))
            bend = np.maximum(bend, np.abs(np.gradient(first, s, axis=0)).max(axis=1))
        maps[axis.name] = equidistributing(s, slope, bend) if slope.max() > 0 else straight
    return maps


def _resampled(solution: Discrete, system: System) -> Array:
    """A coarser solution at the nodes of a finer system, as the start of Newton's method."""
    start = np.zeros(system.size)
    for unknown in system.problem.unknown_names:
        values = interpolate(
            solution.field(unknown)[0], solution.axes(unknown)[1:], system.layout.nodes[unknown], 4, solution.periods[1:]
        )
        offset = system.layout.offset[unknown, 0]
        start[offset : offset + values.size] = values.ravel()
    return start


def _rounding(solution: Discrete) -> float:
    """What rounding does to a steady solution, relative."""
    system = solution.system
    if system.problem.time:
        return 0.0
    y = solution.values[0]
    matrix, _ = system.jacobian(np.zeros(1), y[:, None], np.zeros((system.size, 1)))
    return rounding_error(matrix, factorise(matrix), y, generator(0, "rounding"))


def _finished(problem: Problem, window: Window, seconds: float) -> Reference:
    """The finest solution of a window as a function; its interpolation error is added to the bar."""
    known = tables(problem, window.solutions[2])
    rng = generator(0, "interpolation")
    bars = {name: window.bars[name].bar + known[name].interpolation_error(rng) for name in problem.unknown_names}
    orders = {name: float(bar.order) for name, bar in window.bars.items()}
    grids = (window.cells, 2 * window.cells, 4 * window.cells)
    why = (
        ""
        if window.state != "not asymptotic"
        else "the grids do not converge at the order of the method; the error bar is a cautious one"
    )
    return from_tables(
        known,
        state=window.state,
        why=why,
        relative_error=bars,
        observed_order=orders,
        order=window.order,
        grids=grids,
        adapted=window.adapted,
        seconds=seconds,
    )


def from_tables(known: Mapping[str, Table], **facts) -> Reference:
    """Return a reference that interpolates in tables (also those read from the disk)."""

    def at_points(points: Array) -> Array:
        return np.stack([table(points) for table in known.values()], axis=1)

    def on_axes(axes: tuple[Array, ...]) -> dict[str, Array]:
        return {name: table.on_grid(axes) for name, table in known.items()}

    return Reference("finite_difference", unknowns=tuple(known), tables=known, at_points=at_points, on_axes=on_axes, **facts)
