"""The reference on scattered nodes: three densities, made finer until the error bar is small, with the bar's own rule.

The bar of the finest solution is 3 d/(2^q − 1), d its distance from the one before in L2 over the domain, where the observed order
q (at most the formal one) is no more than 1 below the formal one and the first of the two distances at most 0.1: nodes of
different densities have nothing in common, so the orders scatter more than on nested grids, also upwards, and the factor is twice
as large as there. Otherwise, where the distances fall, it is 3 d.

Measured on manufactured solutions of random equations (elliptic, with convection, nonlinear, pairs, heat; Dirichlet, Neumann,
Robin) on random shapes (round holes, disks with elliptic holes, triangles, L-shapes, three holes): the truth was inside all 73 bars
of 67 problems, which were 1.4 to 5.9 times the error, 3.3 times in the median. Where the nodes did not resolve it (a layer and a
peak of width 0.02, ten wave lengths) the state was "not asymptotic" or "none".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pinn.judge.error_bar import RESOLVED, SMALLEST_BAR, ErrorBar, rounding_error
from pinn.judge.metrics import relative_l2
from pinn.judge.reference import Reference, no_reference
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.scattered.cloud import Array
from pinn.judge.scattered.density import Density
from pinn.judge.scattered.misfit import misfits
from pinn.judge.scattered.solve import Solved, degree_for, solve
from pinn.judge.scattered.space import Space
from pinn.judge.scattered.table import as_reference
from pinn.judge.settings import FiniteDifferenceReference
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

FIRST_NODES = {1: 16, 2: 200, 3: 250}
FIRST_STEPS = 8
LARGEST_SIZE = {1: 40_000, 2: 50_000, 3: 12_000}
LARGEST_WORK = {1: 4_000_000, 2: 2_000_000, 3: 400_000}
NONLINEAR = 4
"""So many times the work of a linear problem."""

RATIO = {1: 2.0, 2: 2.0, 3: 2**0.5}
"""Of the spacings of two successive densities, by dimension of space."""

BELOW = 1.0
FACTOR, CAUTIOUS = 3.0, 3.0
MEASURED = 2000
NEAR_ROUNDING = 1e-6
CONTRADICTION, STAYS = 1e-2, 0.7


def finite_differences(problem: Problem, settings: FiniteDifferenceReference) -> Reference:
    """Return the reference of a problem on a domain that is no box or has interfaces; of kind "none" with why not."""
    begin = time.perf_counter()
    search = _Search(problem, settings, begin)
    try:
        search.run()
    except NoReference as error:
        if search.best is None:
            return no_reference(str(error), time.perf_counter() - begin)
    if search.best is None or not np.isfinite(search.best.bar):
        return no_reference(search.why or "no order of convergence is seen", time.perf_counter() - begin)
    return replace(search.best, seconds=time.perf_counter() - begin)


def first_density(space: Space) -> Density:
    """Return the density of the coarsest nodes."""
    return Density(space, (space.volume / FIRST_NODES[space.dim]) ** (1 / space.dim))


def first_finer(space: Space, cells: int | None) -> float:
    """Return how many times finer than that the first nodes are, where so many are wanted along each axis."""
    return 1.0 if cells is None else cells / FIRST_NODES[space.dim] ** (1 / space.dim)


def affordable(problem: Problem, density: Density, finer: float, size: float = 1.0) -> bool:
    """Whether nodes are within ``size`` times the limits; counted, so the same on every machine."""
    space = density.space
    nodes = space.volume * float(np.mean((finer / density(space.samples)) ** space.dim))
    cost = nodes * len(problem.unknowns) ** 0.75 * (1 if problem.is_linear else NONLINEAR)
    work = cost * FIRST_STEPS * finer if problem.time else 0
    return cost <= size * LARGEST_SIZE[space.dim] and work <= size * LARGEST_WORK[space.dim]


class _Search:
    """Makes the nodes denser until the bar is small enough.

    Attributes
    ----------
    best : the reference with the smallest bar so far. why : what the last failure was.
    """

    def __init__(self, problem: Problem, settings: FiniteDifferenceReference, begin: float):
        self.problem, self.settings, self.begin = problem, settings, begin
        self.best: Reference | None = None
        self.why = ""

    def run(self) -> None:
        space = Space(self.problem)
        density = first_density(space)
        degree, ratio = degree_for(self.problem, self.settings.order), RATIO[space.dim]
        finer, expected = first_finer(space, self.settings.cells), 0.0
        solved: list[Solved] = []
        while affordable(self.problem, density, finer, self.settings.size) and self._spent() + expected < self.settings.seconds:
            begin = self._spent()
            try:
                steps = round(FIRST_STEPS * finer)
                solved = [*solved[-2:], solve(density, finer, steps, degree, solved[-1] if solved else None)]
            except NoConvergence as error:
                solved, self.why = [], f"{error} (nodes {density.largest / finer:.2g} apart)"
            if len(solved) == 3:
                self._judged(solved)
                if self.best is not None and self.best.bar <= self.settings.target:
                    return
            expected = (self._spent() - begin) * 1.5 * ratio ** (len(self.problem.names))
            finer *= ratio
        if self.best is None and not self.why:
            self.why = "three densities of nodes cost more than allowed"

    def _spent(self) -> float:
        return time.perf_counter() - self.begin

    def _judged(self, solved: list[Solved]) -> None:
        """Look at three densities; keep them where their bar is the smallest and a finer solution does not contradict it."""
        self.why = contradiction(solved)
        if self.why:
            return
        found = judged(self.problem, solved, self.settings.order)
        if self.best is not None and self.best.tables:
            apart = distances(solved[2], self.best.tables["solution"])
            if any(apart[name] > bar for name, bar in self.best.relative_error.items()):
                found = doubted(found, apart)
            elif self.best.bar <= found.bar:
                return
        if self.best is None or np.isfinite(found.bar):
            self.best = found


def judged(problem: Problem, solved: list[Solved], order: int) -> Reference:
    """Return the finest of three solutions as a reference with its bars."""
    bars = {}
    values = [_measured(each, solved[0].times) for each in solved]
    last = max(relative_l2(values[1][name], values[2][name]) for name in problem.unknown_names)
    rounding = _rounding(solved[2]) if last < NEAR_ROUNDING else 0.0
    for name in problem.unknown_names:
        coarse, middle, fine = (each[name] for each in values)
        bars[name] = scattered_bar(coarse, middle, fine, order, RATIO[len(problem.space)], rounding)
    worst = max((bar.state for bar in bars.values()), key=("observed", "not asymptotic", "none").index)
    return as_reference(
        solved[2],
        state=worst,
        why="the densities do not converge at the order of the method; the error bar is a cautious one"
        if worst != "observed"
        else "",
        relative_error={name: bar.bar for name, bar in bars.items()},
        observed_order={name: float(bar.order) for name, bar in bars.items()},
        order=order,
        grids=tuple(each.layout.num_nodes for each in solved),
    )


def scattered_bar(coarse: Array, middle: Array, fine: Array, order: int, ratio: float = 2.0, rounding: float = 0.0) -> ErrorBar:
    """Return the `ErrorBar` of ``fine`` from solutions with nodes h, h/ratio, h/ratio² apart, all at the same points.

    Parameters
    ----------
    order : formal order p of the method. rounding : size of the rounding errors in ``fine``, relative; three times this is added.
    """
    first, second = relative_l2(coarse, middle), relative_l2(middle, fine)
    observed = float(np.log(first / second) / np.log(ratio)) if first > 0 and second > 0 else np.nan
    if not np.isfinite(first + second):
        return ErrorBar("none", np.inf, np.nan, (first, second))
    if second <= max(SMALLEST_BAR / 3, 3 * rounding):
        return ErrorBar("observed", max(3 * second + 3 * rounding, SMALLEST_BAR), observed, (first, second))
    if observed >= order - BELOW and first <= RESOLVED:
        bar = FACTOR * second / (ratio ** min(observed, order) - 1)
        return ErrorBar("observed", max(bar + 3 * rounding, SMALLEST_BAR), observed, (first, second))
    if observed >= 0.5:
        return ErrorBar(
            "not asymptotic", CAUTIOUS * second / min(1.0, ratio**observed - 1) + 3 * rounding, observed, (first, second)
        )
    return ErrorBar("none", np.inf, observed, (first, second))


def doubted(found: Reference, apart: Mapping[str, float]) -> Reference:
    """Return a reference with bars at least as large as its distance from a coarser one that was thought to be better known."""
    bars = {name: max(bar, 3 * apart[name]) for name, bar in found.relative_error.items()}
    state = "not asymptotic" if found.state == "observed" else found.state
    return replace(found, relative_error=bars, state=state, why=found.why or "finer nodes moved it further than its error bar")


def distances(finer: Solved, coarser) -> dict[str, float]:
    """Return how far two solutions are apart by unknown, relative L2."""
    times = coarser.times
    values, other = _measured(finer, times), _measured(coarser, times)
    return {name: relative_l2(other[name], values[name]) for name in values}


def _measured(solved, times: Array) -> dict[str, Array]:
    """Values at even places in the domain, none of them a place where rows stand, and at times but the first."""
    points = solved.layout.space.evenly(MEASURED, "measured")
    return solved.at(points, times[1:] if len(times) > 1 else times)


def _rounding(solved: Solved) -> float:
    """What rounding does to a steady solution, relative."""
    if solved.system.problem.time:
        return 0.0
    y = solved.vector[0]
    matrix, _ = solved.system.jacobian(np.zeros(1), y[:, None], np.zeros((len(y), 1)))
    return rounding_error(matrix, solved.factorise(matrix), y, generator(0, "rounding"))


def contradiction(solved: list[Solved]) -> str:
    """Return which formula finer nodes do not satisfy any better, nothing where there is none.

    Least squares has an answer to everything, also to formulas that contradict each other.
    """
    before, after = misfits(solved[0]), misfits(solved[2])
    for name, size in after.items():
        if size > CONTRADICTION and size > STAYS * before[name]:
            return (
                f"finer nodes do not satisfy '{name}' any better (missed by {size:.0%} of its size): either equations and "
                "conditions contradict each other, or the solution is not resolved"
            )
    return ""
