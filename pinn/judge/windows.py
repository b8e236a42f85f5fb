"""The finite-difference reference: three nested grids, moved up until the order is observed and the error bar is small."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pinn.judge.balance import imbalance
from pinn.judge.data import jets_of, term_size, unseen_data
from pinn.judge.error_bar import BAND, ErrorBar, error_bar, rounding_error
from pinn.judge.grid import Array, Map, equidistributing, interpolate, make_grid, straight
from pinn.judge.layout import space_order
from pinn.judge.linear import factorise
from pinn.judge.reference import Reference, no_reference
from pinn.judge.refusal import Contradiction, NoConvergence, NoReference
from pinn.judge.resolution import jet_sizes
from pinn.judge.settings import FiniteDifferenceReference
from pinn.judge.solve import Discrete, march, solve_steady, step_times
from pinn.judge.system import System
from pinn.judge.table import Table, tables
from pinn.judge.window import Window, agreeing, apart, nested, upheld
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

FIRST_CELLS = {0: 8, 1: 8, 2: 8, 3: 4}
LARGEST_SIZE = {0: 20_000, 1: 20_000, 2: 70_000, 3: 5_000}
LARGEST_WORK = {0: 1_000_000, 1: 2_200_000, 2: 320_000, 3: 100_000}
TIME_ORDER = 5
GOOD_ENOUGH, POOR = 1e-5, 1e-3
NEWTON, NEWTON_ALONE = 1e-11, 1e-13
"""Error that Newton's method may leave in a step, and without space: chaos makes it grow, and the same on all grids it hides."""


def finite_differences(problem: Problem, settings: FiniteDifferenceReference) -> Reference:
    """Return the finite-difference reference of a problem, of kind "none" with the reason when there is none.

    Even nodes first; where they do not resolve the solution, nodes concentrated by what was found so far; where order 4 is
    not observed, order 2, which must agree. The best window is taken.
    """
    if problem.domain is not None or problem.interfaces:
        from pinn.judge.scattered import windows as scattered

        return scattered.finite_differences(problem, settings)
    begin = time.perf_counter()
    search = _Search(problem, settings, begin)
    try:
        best = search.best()
    except NoReference as error:
        state = "contradictory" if isinstance(error, Contradiction) else "none"
        return no_reference(str(error), time.perf_counter() - begin, state)
    if best is None or best.merit == np.inf:
        why = search.why if best is None else best.blind
        if best is not None and not why:
            why = f"no order of convergence is seen up to {best.cells * 4} cells per axis"
        return no_reference(why or "no order of convergence is seen", time.perf_counter() - begin)
    return _finished(problem, best, time.perf_counter() - begin)


def cells_and_steps(problem: Problem, cells: int) -> tuple[int, int]:
    """Return (size of the factorisation, size times steps) of a grid: what it will cost."""
    nodes = (cells + 1) ** len(problem.space)
    unknowns = len(problem.unknowns)
    wide = max([2, *[space_order(equation.tree, problem) for equation in problem.equations]]) / 2 if len(problem.space) > 1 else 1
    return int(nodes * (unknowns * wide) ** 1.5), nodes * unknowns * (cells if problem.time else 1)


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
        return march(system, step_times(system, cells), tolerance=NEWTON if problem.space else NEWTON_ALONE)
    return solve_steady(system, start=None if start is None or system.affine else _resampled(start, system))


class _Search:
    def __init__(self, problem: Problem, settings: FiniteDifferenceReference, begin: float):
        self.problem, self.settings, self.begin = problem, settings, begin
        self.why = ""
        self.last: Discrete | None = None

    def best(self) -> Window | None:
        """Return the best window of all kinds of grids."""
        order = self.settings.order
        best = even = self.refine(order, {})
        if self.poor(best) and self.settings.adapt:
            best = self.better(best, self.refine(order, self.concentrated()))
        seen = best is not None and best.state != "not asymptotic" and best.merit <= POOR
        if order > 2 and not seen and (best is None or best.merit > self.settings.target):
            other = self.refine(2, best.maps if best else {})
            if even is not None and other is not None:  # on even nodes a solution that is not smooth shows its own, lower order
                other = other.doubted([name for name, bar in even.bars.items() if bar.order < 2 - BAND])
            if best is not None and other is not None and max(best.merit, other.merit) < np.inf:
                best, other = agreeing(self.problem, best, other)
            best = self.better(best, other)
        return best

    def refine(self, order: int, maps: Mapping[str, Map]) -> Window | None:
        """Move the window up until its bar is small enough; return the best one seen, compared with a grid in between."""
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
                window = self._window(tuple(solutions), cells // 4, order, maps)
                earlier = upheld(self.problem, best, window)
                alone, best = earlier is None, window if earlier is None or window.merit <= earlier.merit else earlier
                if self._enough(best, window, alone):
                    best = self._compared(best)
                    if self._enough(best, window, alone):
                        break
            expected = (self._spent() - begin) * 2.0 ** len(self.problem.names)
            cells *= 2
        if best is None and not self.why:
            self.why = "three grids cost more than allowed"
        return best and self._compared(best)

    def _enough(self, best: Window, window: Window, alone: bool) -> bool:
        """Whether finer grids are not needed or cannot help; three grids at rounding say nothing without a fourth."""
        quiet = window.state == "roundoff" and not window.blind
        return not (alone and quiet) and (best.merit <= self.settings.target or quiet)

    def _spent(self) -> float:
        return time.perf_counter() - self.begin

    def _extended(self, solutions: list[Discrete], cells: int, order: int, maps: Mapping[str, Map]) -> list[Discrete]:
        """The last two solutions and the next; none where the next grid has no solution."""
        try:
            self.last = solve_on(self.problem, cells, order, maps, solutions[-1] if solutions else None)
        except (NoConvergence, ValueError) as error:
            self.why = f"{error} on {cells} cells per axis"
            return []
        return [*solutions[-2:], self.last]

    def _window(self, solutions, cells: int, order: int, maps: Mapping[str, Map]) -> Window:
        bars, formal, rounding = {}, order if self.problem.space else TIME_ORDER, _rounding(solutions[2])
        for unknown in self.problem.unknown_names:
            (coarse, middle, fine), weights = nested(solutions, unknown)
            bars[unknown] = error_bar(coarse, middle, fine, formal, weights=weights, rounding=rounding)
        rng, known = generator(0, "interpolation"), tables(self.problem, solutions[2])
        between = {name: known[name].interpolation_error(rng) for name in bars}
        blind, missing = _overlooked(solutions)
        window = Window(solutions, cells, formal, bars, between, maps, rounding, blind)
        return window.widened(dict.fromkeys(bars, 2 * missing))

    def _compared(self, window: Window) -> Window:
        """The window after a look at a grid with three quarters of its cells, which sees the data at other places.

        Nested grids have common blind spots: a wave that vanishes at the nodes of one does so on all of them. Where the two
        are further apart than their orders explain neither can be trusted: the bar is twice the distance. Where a wall is cut,
        the cut falls between two nodes, on nested grids often between the same ones: then all nodes are moved once.
        """
        if window.compared or window.merit == np.inf:
            return window
        window, growth = replace(window, compared=True), (4 / 3) ** window.order
        for cells in (3 * window.cells, *[4 * window.cells - 1] * _has_cut_walls(self.problem)):
            try:
                other = solve_on(self.problem, cells, window.finest.system.accuracy, window.maps, window.finest)
            except (NoConvergence, NoReference, ValueError):
                continue
            distances = apart(self.problem, other, window.finest, at_nodes=bool(window.maps))
            window = window.widened({name: _explained(distances[name], bar, growth) for name, bar in window.bars.items()})
        return window

    @staticmethod
    def better(first: Window | None, second: Window | None) -> Window | None:
        """The window with the smaller trustworthy bar; the second where there is none."""
        if first is None or second is None:
            return first or second
        return first if first.merit < second.merit else second

    def poor(self, window: Window | None) -> bool:
        """Whether concentrated nodes are worth a try."""
        return window is None or window.merit > max(GOOD_ENOUGH, self.settings.target)

    def concentrated(self) -> dict[str, Map]:
        """Maps that follow the finest solution so far."""
        return {} if self.last is None else adapted_maps(self.last)


def _has_cut_walls(problem: Problem) -> bool:
    return any(piece.outward is not None and piece.cut is not None for row in problem.conditions for piece in row.region)


def _explained(distance: float, bar: ErrorBar, growth: float) -> float:
    """Zero where an error bar explains a distance from a coarser grid; else the bar that is to replace it.

    The error of the coarser grid is ``growth`` times that of the finer one if the order is right; where no order is seen the
    distance itself is all that is known.
    """
    if bar.state in ("observed", "roundoff"):
        return 2 * distance if distance > growth * bar.bar else 0.0
    return 3 * distance


def _overlooked(solutions: tuple[Discrete, ...]) -> tuple[str, float]:
    """Why the finest of nested solutions says nothing, and the share of the data that its grid misses in the mean.

    Raises
    ------
    Contradiction : the data contradict each other.
    """
    finest = solutions[-1]
    system, times = finest.system, finest.times
    sizes = jet_sizes(finest, jets_of(system))
    wrong = imbalance(solutions, lambda equation: term_size(system, times, equation.tree, sizes))
    if wrong is not None and wrong.settled:
        raise Contradiction(wrong.words)
    words, missing = unseen_data(system, times, sizes)
    return (wrong.words if wrong is not None else words), missing


def adapted_maps(solution: Discrete) -> dict[str, Map]:
    """Return maps that concentrate nodes where any unknown of a solution is steep or bent, for all axes that do not wrap."""
    maps = {}
    for place, axis in enumerate(solution.system.grid):
        if axis.wrapped:
            continue
        s = (axis.nodes - axis.low) / (axis.high - axis.low)
        slope, bend = np.zeros(len(s)), np.zeros(len(s))
        for unknown in solution.system.problem.unknown_names:
            values = np.moveaxis(solution.field(unknown), place + 1, 0).reshape(len(s), -1)
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
        values = interpolate(solution.field(unknown)[0], solution.axes[1:], system.layout.nodes[unknown], 4, solution.periods[1:])
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
    """The finest solution of a window as a function."""
    known = tables(problem, window.finest)
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
        relative_error=window.relative_error,
        observed_order=orders,
        order=window.order,
        grids=grids,
        adapted=bool(window.maps),
        seconds=seconds,
    )


def from_tables(known: Mapping[str, Table], **facts) -> Reference:
    """Return a reference that interpolates in tables (also those read from the disk)."""

    def at_points(points: Array) -> Array:
        return np.stack([table(points) for table in known.values()], axis=1)

    def on_axes(axes: tuple[Array, ...]) -> dict[str, Array]:
        return {name: table.on_grid(axes) for name, table in known.items()}

    return Reference("finite_difference", unknowns=tuple(known), tables=known, at_points=at_points, on_axes=on_axes, **facts)
