"""The error of a field without any reference: solve F(u_h + e) = 0 for e on small grids, and say when to believe it.

The equation is solved as it stands, not linearised: at errors of order one (a network stuck at a trivial solution) the
linearised one is off by up to a factor of eleven. e is smooth where u_h is, so small grids suffice for fields of any accuracy.

Believed only if two grids that share no nodes agree on e, if the finer one resolves the residual, and if no part of the
residual hides between its nodes (`pinn.judge.resolution`). Budgets are counted in unknowns: verdicts repeat on any machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pinn.judge.balance import imbalance
from pinn.judge.data import jets_of, term_size, unseen_data
from pinn.judge.grid import Array, jittered, make_grid
from pinn.judge.layout import space_order
from pinn.judge.linear import factorise, refuse_singular
from pinn.judge.radau import Radau
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.resolution import IRRELEVANT, Probe, Seen, jet_sizes, look, off_nodes, probes
from pinn.judge.solve import Discrete, Evolution, completed_start, solve_steady, starting_values, step_times
from pinn.judge.system import Solution, System, field_jets
from pinn.judge.table import Table, Values, tables
from pinn.problem.problem import Problem
from pinn.problem.settings import Settings, setting
from pinn.problem.sites import tensor_points

TOLERANCE = 1e-4
ROUNDING = 1e-14
TINY = 1e-12
STRICT_RESOLVED, STRICT_MASS, STRICT_AGREEMENT = 0.25, 0.8, 0.1
NEAR_ROUNDING = 1e-8
"""Estimates below this are tested for rounding."""
SURELY_ROUNDING = 1e-12
"""Estimates below this are not believed: derivatives of order four have been seen to hide half of such errors."""
QUICK = 1.0
"""`ErrorEstimate.size` of estimates while a network is trained, at most: a tenth or two of a second."""

STEP_NODES = 16
"""As many nodes cost as much as the rest of a step in time."""

LAST_DIGITS = 4 * np.finfo(float).eps


@dataclass(frozen=True)
class ErrorEstimate(Settings):
    """How far the error estimate may go.

    Attributes
    ----------
    cells : cells per axis of the first of two grids; each next one has 3/2 times as many.
    size : largest number of unknowns (times steps) of a grid, in units of 40 000.
    agreement : largest difference of e between two grids, relative to e and to the corrected solution.
    resolved : largest part of the residual that the finer grid does not resolve.
    mass : the mean square of the residual as the grid sees it over the true one must lie between this and its inverse.

    For equations of order above two ``agreement`` is at most 0.1, ``resolved`` at most 0.25 and ``mass`` at least 0.8.
    """

    cells: int = setting(12, at_least=6, at_most=400)
    size: float = setting(5.0, above=0)
    agreement: float = setting(0.2, above=0, below=1)
    resolved: float = setting(0.5, above=0, below=1)
    mass: float = setting(0.65, above=0, below=1)


@dataclass(frozen=True)
class Estimate:
    """The estimated error of a field.

    Attributes
    ----------
    accepted : whether all tests passed; otherwise the numbers are not to be shown as errors.
    why : one line: why it is not accepted.
    relative_l2 : estimated relative L2 error by unknown; empty when no grid gave one.
    cells : cells per axis of the finer grid.
    error : estimated solution minus truth by unknown.
    """

    accepted: bool
    why: str
    relative_l2: Mapping[str, float] = field(default_factory=dict)
    cells: int = 0
    seconds: float = 0.0
    error: Mapping[str, Values] = field(default_factory=dict, repr=False)

    @property
    def worst(self) -> float:
        """The largest relative L2 error of an unknown, NaN when there is none."""
        return max(self.relative_l2.values(), default=math.nan)

    def __call__(self, points: Array) -> Array:
        """Return the estimated error, solution minus truth, (points, unknowns)."""
        return np.stack([table(points, 4) for table in self.error.values()], axis=1)

    def on_grid(self, axes: tuple[Array, ...]) -> dict[str, Array]:
        """Return the estimated error, solution minus truth, of every unknown on a tensor grid."""
        return {name: table.on_grid(axes, 4) for name, table in self.error.items()}

    def record(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds under ``estimate``; the number is withheld unless accepted."""
        return {
            "relative_l2": self.worst if self.accepted else None,
            "accepted": self.accepted,
            "why": self.why,
            "cells": self.cells,
            "seconds": self.seconds,
            "unknowns": dict(self.relative_l2) if self.accepted else {},
        }


def estimate(problem: Problem, solution: Solution, settings: ErrorEstimate | None = None) -> Estimate:
    """Return the estimated error of ``solution``; see `Estimator` for repeated use."""
    return Estimator(problem, settings)(solution)


class Estimator:
    """Estimates errors of many fields of one problem; grids, matrices and factors are made once.

    Parameters
    ----------
    settings : how far to go; None for the defaults.
    """

    def __init__(self, problem: Problem, settings: ErrorEstimate | None = None):
        self.problem, self.settings = problem, settings or ErrorEstimate()
        self._levels: dict[int, _Level] = {}
        self._before: dict[int, int] = {}
        self._begin: int | None = None
        stiff = _high_order(problem)
        self._resolved = min(self.settings.resolved, STRICT_RESOLVED) if stiff else self.settings.resolved
        self._agreement = min(self.settings.agreement, STRICT_AGREEMENT) if stiff else self.settings.agreement
        self._mass = max(self.settings.mass, STRICT_MASS) if stiff else self.settings.mass

    def __call__(self, solution: Solution) -> Estimate:
        """Return the estimate of a field, from grids refined until it can be accepted."""
        return self._estimate(solution, self.settings.cells, self.settings.size)

    estimate = __call__

    def quick(self, solution: Solution) -> Estimate:
        """Return the estimate for a progress line: on smaller grids, beginning with those that the last field needed."""
        cells = self._begin or (self.settings.cells if self.problem.dim < 3 else min(8, self.settings.cells))
        found = self._estimate(solution, cells, min(self.settings.size, QUICK))
        self._begin = self._before[found.cells] if found.accepted else None
        return found

    def _estimate(self, solution: Solution, cells: int, size: float) -> Estimate:
        begin = time.perf_counter()
        if len(getattr(solution, "cuts", ())):
            return Estimate(False, "the field has cuts")
        old, last, why = None, None, "no grid is small enough"
        try:
            while self._affordable(cells, size):
                try:
                    level = self._level(cells)
                    new = level.solve(solution)
                    if old is not None:
                        last, why = self._judged(level, old, new, solution)
                        if not why:
                            break
                    old = new
                except NoConvergence as error:
                    why = str(error)
                self._before[3 * cells // 2] = cells
                cells = 3 * cells // 2
        except NoReference as error:
            why = why if last else str(error)  # finer grids of a problem that coarser ones could solve are singular by rounding
        seconds = time.perf_counter() - begin
        if last is None:
            return Estimate(False, why, seconds=seconds)
        return Estimate(not why, why, *last, seconds=seconds, error=_negative(tables(self.problem, new)))

    def _affordable(self, cells: int, size: float) -> bool:
        unknowns, dim = len(self.problem.unknowns), len(self.problem.space)
        nodes = (cells + 1) ** dim * unknowns
        largest = 7_000 if dim >= 3 else 40_000
        return nodes * unknowns <= size * largest and (
            not self.problem.time or max(nodes, STEP_NODES) * (cells + 1) <= size * (40_000 if dim < 2 else 60_000)
        )

    def _level(self, cells: int) -> _Level:
        if cells not in self._levels:
            self._levels[cells] = _Level(self.problem, cells)
        return self._levels[cells]

    def _judged(self, level: _Level, old: Discrete, new: Discrete, solution: Solution) -> tuple[tuple[dict[str, float], int], str]:
        """Relative L2 error by unknown and cells of the finer grid, and why they are not believed (nothing if they are)."""
        sizes, reasons = {}, []
        for unknown in self.problem.unknown_names:
            first, second = old.on_grid(unknown, level.between, 4), new.on_grid(unknown, level.between, 4)
            total = level.norm(second + level.field_between(solution, unknown))
            largest = min(max(level.norm(first), level.norm(second)), total)
            sizes[unknown] = level.norm(second) / total if total > 0 else math.inf
            if largest > TINY * total and not level.norm(first - second) <= self._agreement * largest:
                reasons.append(f"two grids disagree on the error of {unknown} by {level.norm(first - second) / largest:.0%}")
        if not all(math.isfinite(size) for size in sizes.values()):
            reasons.append("the error is not finite")
        if (level.system.slacks or not reasons) and (reason := level.overlooked(solution, old, new)):
            reasons = [reason]
        if not reasons:
            reasons = [reason for seen in level.look(solution, new) if (reason := self._unseen(seen))]
        if not reasons and min(sizes.values()) < NEAR_ROUNDING:
            least = min(sizes, key=sizes.__getitem__)
            words = f"the error of {least} is of the size of rounding"
            reasons = [words] if sizes[least] < SURELY_ROUNDING else self._rounded(level, new, solution)
        return (sizes, level.cells), reasons[0] if reasons else ""

    def _rounded(self, level: _Level, new: Discrete, solution: Solution) -> list[str]:
        """Say if rounding in the field's derivatives decides e: it then changes when the points move in their last digits."""
        middle = self.problem.box.mean(axis=1)
        moved = level.solve(lambda points, request: solution(points + LAST_DIGITS * (middle - points), request))
        for unknown in self.problem.unknown_names:
            first, second = new.on_grid(unknown, level.between, 4), moved.on_grid(unknown, level.between, 4)
            if not level.norm(first - second) <= self._agreement / 2 * level.norm(first):
                return [f"the error of {unknown} is not above the rounding in its derivatives"]
        return []

    def _unseen(self, seen: Seen) -> str:
        """Why a residual is not seen well enough by the grid, or nothing."""
        if seen.weight < IRRELEVANT:
            return ""
        if not seen.unresolved <= self._resolved:
            return f"the grid does not resolve the residual of '{seen.name}' ({seen.unresolved:.0%} of it between the nodes)"
        if not self._mass <= seen.mass <= 1 / self._mass:
            return f"the residual of '{seen.name}' is localised between the nodes (the grid sees {seen.mass:.0%} of its square)"
        return ""


class _Level:
    """One grid of an estimator."""

    def __init__(self, problem: Problem, cells: int):
        maps = {name: jittered(0, cells, name) for name in problem.space}
        self.problem, self.cells = problem, cells
        self.system = System(problem, make_grid(problem, cells, maps, wrap=False), _accuracy(problem))
        self.times = step_times(self.system, cells + 1) if problem.time else np.zeros(1)
        self.between = (off_nodes(self.times), *[off_nodes(axis.edges) for axis in self.system.grid])
        self.weights = self._cell_sizes()
        self.probes: list[Probe] | None = None
        self.unseen: str | None = None
        self.factors: Any = None
        self.radau: Radau | None = None

    def _cell_sizes(self) -> Array:
        weights = np.ones(())
        for nodes in (self.times, *[axis.edges for axis in self.system.grid]):
            weights = np.multiply.outer(weights, np.diff(nodes) if len(nodes) > 1 else np.ones(1))
        return weights

    def norm(self, values: Array) -> float:
        """Return the L2 norm of values between the nodes."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sqrt(np.sum(self.weights * np.square(values))))

    def solve(self, solution: Solution) -> Discrete:
        """Return e with F(u_h + e) = 0 on this grid."""
        system = self.system
        floor = 0.0 if system.affine else ROUNDING * self._field_size(solution)
        if self.problem.time is None:
            return self._steady(solution, floor * math.sqrt(system.size))
        evolution = Evolution(system, self.times, solution)
        if self.radau is None or not system.affine:
            self.radau = Radau(evolution, tolerance=TOLERANCE, floor=max(floor, 1e-300), check=self.radau is None)
        self.radau.system = evolution
        values = self.radau.march(self.times, starting_values(system, solution))
        return Discrete(system, self.times, completed_start(system, self.times, values))

    def _steady(self, solution: Solution, floor: float) -> Discrete:
        if not self.system.affine:
            return solve_steady(self.system, solution, tolerance=TOLERANCE, floor=floor)
        evolution = Evolution(self.system, None, solution)
        matrix = self.system.affine_matrices[0]
        if self.factors is None:
            self.factors = factorise(matrix)
            refuse_singular(matrix, self.factors)
        load = evolution.residual(0, self.times, np.zeros((self.system.size, 1)), np.zeros((self.system.size, 1)))[:, 0]
        e = -self.factors.solve(load)
        return Discrete(self.system, self.times, (e - self.factors.solve(matrix @ e + load))[None])

    def _field_size(self, solution: Solution) -> float:
        return float(
            np.sqrt(np.mean([np.mean(np.square(self.field_between(solution, name))) for name in self.problem.unknown_names]))
        )

    def field_between(self, solution: Solution, unknown: str) -> Array:
        """Return the values of the field between the nodes, (times, *space)."""
        from pinn.judge.evaluation import on_tensor

        names = [self.problem.time or "", *[axis.name for axis in self.system.grid]]
        axes = tuple(self.between[names.index(name)] for name in self.problem.names)
        values = on_tensor(self.problem, solution, axes, (unknown,))[unknown]
        if self.problem.time is None:
            return values[None]
        return np.moveaxis(values, self.problem.names.index(self.problem.time), 0)

    def overlooked(self, solution: Solution, old: Discrete, new: Discrete) -> str:
        """Return why the problem, not the field, forbids an estimate: data between the nodes, or that contradict each other."""
        jets = jets_of(self.system)
        if self.unseen is None:
            self.unseen, _ = unseen_data(self.system, self.times, dict.fromkeys(jets, 1.0))
        if self.unseen or not self.system.slacks:
            return self.unseen
        sizes = jet_sizes(new, jets)
        known = field_jets(self.problem, solution, tuple(jets), self._points, self.times)
        for jet in jets:
            sizes[jet] += float(np.sqrt(np.mean(np.square(known[jet]))))
        wrong = imbalance((old, new), lambda equation: term_size(self.system, self.times, equation.tree, sizes))
        return wrong.words if wrong is not None else ""

    @property
    def _points(self) -> Array:
        """The nodes in space, (points, axes)."""
        return tensor_points(tuple(axis.edges for axis in self.system.grid))

    def look(self, solution: Solution, error: Discrete) -> list[Seen]:
        """Return what this grid sees of every residual."""
        if self.probes is None:
            self.probes = probes(self.system, self.times)
        sizes = jet_sizes(error, {jet for probe in self.probes for jet in probe.jets})
        return [look(probe, self.system, solution, sizes) for probe in self.probes]


def _accuracy(problem: Problem) -> int:
    """Order 2, whose small stencils suit rough residuals; order 4 where third derivatives at walls need it."""
    return 4 if _high_order(problem) else 2


def _high_order(problem: Problem) -> bool:
    """Third and higher derivatives: defects of walls and of the equation nearly cancel, so both must be resolved better."""
    return any(space_order(equation.tree, problem) > 2 for equation in problem.equations)


def _negative(known: Mapping[str, Table]) -> dict[str, Table]:
    """Solution minus truth, from e = truth minus solution."""
    return {name: Table(table.axes, -table.values, table.periods) for name, table in known.items()}
