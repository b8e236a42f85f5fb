"""The solve in cells: slab after slab along time, each on a cover that is refined until it resolves the solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pinn.field.cells.basis import Basis
from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import Cover, whole
from pinn.field.cells.slabs import Slab, Slabs
from pinn.problem.kinks import kinks
from pinn.problem.problem import Problem, Residual
from pinn.solver.cells.attempt import Attempt, Limits, Measures
from pinn.solver.cells.discretise import given
from pinn.solver.cells.edges import cut_towards, graded, large_jumps
from pinn.solver.cells.factor import Factors
from pinn.solver.cells.forecast import forecasts
from pinn.solver.cells.marching import Marching
from pinn.solver.cells.newton import gauss_newton
from pinn.solver.cells.poles import Poles, pole_residuals
from pinn.solver.cells.resolution import merged, positive, sizes, too_coarse, unsatisfied
from pinn.solver.cells.system import WEIGHT, System, is_local

Array = np.ndarray

SHRINK, GROW = 0.3, 2.0
"""By how much the next slab's length may differ from the last one's."""

WORTHWHILE = 1.5
"""Slabs of linear problems become longer when it is at least by this factor; those of one length have the same rows."""

BINARY_DIGITS = 5
"""Of the lengths of such slabs, in parts of the range of time."""

AIM = 0.3
"""Slabs are made so long that they miss about this part of the tolerance."""

HELPS = 0.7
"""A refinement helps when less than this part of what was missing is missing afterwards."""

PATIENCE = 8
"""Refinements in a row along one coordinate that may not help; half as many along two."""

SHORTEST_SLAB = 1e-6
"""Of the whole range of time."""

UNMET = 3
"""Slabs in a row, as short as that, that leave as much of the equations as the one before; layers at a start fade."""


@dataclass
class Progress:
    """Where a solve in cells is; everything that is needed to go on.

    Attributes
    ----------
    slabs : those that are done. cover : of the next attempt. begin : where its slab begins. length : of the slab.
    scales : largest size of each unknown so far, (unknowns,). least : the least that was missing in this slab.
    in_vain : refinements since then. shortened : how often the slab was made shorter.
    guess : what to start from, a field with coefficients; None means the end of the slab before.
    remarks : what could not be had, one line each. num_rows : of all slabs that are done. rate : of Gauss-Newton's convergence.
    may_cross : whether solutions may cross poles, since one was kept that does. residual : largest of the slabs that are done.
    left : residual of the last slab that was kept though it should be shorter. unmet : such slabs in a row that did not lower it.
    """

    cover: Cover
    begin: float
    length: float
    scales: Array
    slabs: list[Slab] = field(default_factory=list)
    least: float = math.inf
    in_vain: int = 0
    shortened: int = 0
    guess: Slab | None = None
    remarks: list[str] = field(default_factory=list)
    num_rows: int = 0
    rate: float | None = None
    may_cross: bool = False
    left: float = math.inf
    unmet: int = 0
    residual: float = 0.0


class March:
    """Solves a problem in cells.

    Parameters
    ----------
    cells : equal cells along each coordinate to begin with; along time, slabs. weights : of mean squares,
        by residual; `System` has those that are not named.
    system : makes the system of a cover.
    """

    def __init__(
        self,
        problem: Problem,
        basis: Basis,
        limits: Limits,
        cells: Mapping[str, int],
        weights: Mapping[str, float] | None = None,
        system: Callable[..., System] = System,
    ):
        self.problem, self.basis, self.limits, self.marching = problem, basis, limits, Marching(problem)
        self.weights, self._system = dict(weights or {}), system
        self.time = self.marching.axis
        self.space = tuple(axis for axis in range(problem.dim) if axis != self.time)
        self._cells = [1 if axis == self.time else cells.get(name, 1) for axis, name in enumerate(problem.names)]
        self._slabs = 1 if problem.time is None else cells.get(problem.time, 1)
        self._factors, self._jumps = Factors(), large_jumps(problem)
        self._poles = pole_residuals(row for row in self.rows if row.kind == "equation" and is_local(row))
        self._is_linear, self._is_graded = problem.is_linear, problem.has_corners and problem.time is None

    @property
    def rows(self) -> list[Residual]:
        """All residuals but periodic ones, which the cover knows."""
        return [row for row in self.problem.residuals if row.kind != "periodic"]

    def begin(self) -> Progress:
        """Return where a solve begins: few cells, and all time in one slab where ``cells`` says nothing else."""
        problem = self.problem
        periodic = [problem.names.index(name) for name in problem.periodic]
        low, high = (0.0, 1.0) if self.time is None else problem.box[self.time]
        length = float(high - low) / self._slabs
        bends = [plane for plane in kinks(problem) if plane[0] != self.time]
        cover = whole(problem.box, periodic, self._cells, [*problem.planes, *problem.straight_edges, *bends])
        return Progress(cut_towards(problem, cover, self._jumps), float(low), length, np.zeros(len(problem.unknowns)))

    def is_done(self, progress: Progress) -> bool:
        """Whether every time has its slab."""
        if self.time is None:
            return bool(progress.slabs)
        return bool(progress.slabs) and progress.begin >= float(self.problem.box[self.time, 1])

    def solution(self, progress: Progress) -> Slabs:
        """Return what is done as one field."""
        return Slabs(self.problem, self.time, tuple(progress.slabs))

    def advance(self, progress: Progress, is_last: bool = False) -> Attempt:
        """Solve once on the present cover, and change ``progress`` to what comes next.

        Parameters
        ----------
        is_last : whether to take what comes out as it is, because the time is over.
        """
        attempt = self._attempt(progress, self._end(progress))
        if is_last or self._is_resolved(progress, attempt):
            self._accept(progress, attempt)
        else:
            self._refine(progress, attempt)
        return attempt

    def repeat(self, slabs: Sequence[Slab], most: float, part: float = 1.0) -> tuple[Slabs, dict[str, float]]:
        """Solve once more, on the covers of slabs, and return the solution and its mean squares by residual.

        Parameters
        ----------
        most : the largest residual that is accepted. part : by how much cells where values jump are smaller now.

        Raises
        ------
        FloatingPointError : a slab on which Gauss-Newton does not converge.
        """
        progress = self.begin()
        losses: dict[str, list[float]] = {}
        for slab in slabs:
            progress.cover = cut_towards(self.problem, slab.field.cover, self._jumps, part)
            progress.guess = None if self._is_linear else slab
            attempt = self._attempt(progress, 1.0 if self.time is None else float(slab.field.cover.domain[self.time, 1]))
            if not attempt.solved.has_converged or attempt.residual > most or attempt.crossed:
                raise FloatingPointError("with more or fewer features the equations are not satisfied")
            for name, loss in attempt.system.losses(attempt.solved.coefficients).items():
                losses.setdefault(name, []).append(loss)
            self._accept(progress, attempt)
        return self.solution(progress), {name: float(np.mean(each)) for name, each in losses.items()}

    def share(self, cover: Cover) -> float:
        """Return which part of the range of time a cover has."""
        if self.time is None:
            return 1.0
        return float(np.ptp(cover.domain[self.time]) / np.ptp(self.problem.box[self.time]))

    def _attempt(self, progress: Progress, end: float) -> Attempt:
        cover = progress.cover if self.time is None else progress.cover.with_range(self.time, progress.begin, end)
        field = CellField(cover, self.basis, self.problem.unknown_names)
        rows, known = [*self.marching.initial, *self.marching.always], []
        if progress.slabs and self.time is not None:
            rows, before = self.marching.always, progress.slabs[-1]
            known = given(self.problem, field, self.time, before.jets, WEIGHT)
        system = self._system(self.problem, field, rows, known, self.weights, self._jumps, factors=self._factors)

        measures = Measures(system, self.limits, progress.scales, self.share(cover), self.space, self._is_graded)
        poles = Poles(self.problem, [] if progress.may_cross else self._poles, field)
        start, steps = self._start(progress, system), self.limits.steps
        solved = gauss_newton(
            system, start, self._is_linear, measures.enough, steps, progress.rate, poles.are_crossed, field.size_of
        )
        progress.rate = solved.rate
        return measures.attempt(solved, poles.crossed_by(solved.coefficients))

    def _end(self, progress: Progress) -> float:
        """Return where the slab ends: the rest of the time is cut evenly.

        For linear problems lengths are few of all there are, so that slabs have the same rows as others before.
        """
        if self.time is None:
            return 1.0
        low, high = map(float, self.problem.box[self.time])
        rest = high - progress.begin
        count = max(1, math.ceil(rest / progress.length * (1 - 1e-9)))
        if self._is_linear and count > 1 and abs(rest / progress.length - count) > 1e-9:
            return progress.begin + rounded_down(progress.length / (high - low)) * (high - low)
        return high if count == 1 else progress.begin + rest / count

    def _start(self, progress: Progress, system: System) -> Array:
        """Return coefficients to start from: those of another cover, or the end of the slab before, continued.

        Before the first slab that end is what the conditions say of the start.
        """
        field = system.field
        if progress.guess is None and (self.time is None or self._is_linear):
            return np.zeros(field.shape)
        if progress.guess is None and progress.slabs and self.time is not None:
            return min(forecasts(self.problem, progress.slabs[-1], field, self.time), key=system.misfit)
        points = field.grid_points().reshape(-1, self.problem.dim)
        if progress.guess is not None:
            values = progress.guess.jets(points, self.problem.values)
        else:
            values = self.marching.at_start(self.problem, points)
        by_cell = values.reshape(field.cover.num_cells, -1, len(field.unknowns))
        return field.project(by_cell.transpose(0, 2, 1))

    def _is_resolved(self, progress: Progress, attempt: Attempt) -> bool:
        """Whether an attempt is good enough, or no better one is to be had; then a remark says why."""
        worst = float(attempt.missing.max())
        if self._is_graded and attempt.residual > self.limits.residual:
            worst += attempt.residual / self.limits.residual
        if worst <= self.limits.tolerance and attempt.is_satisfied(self.limits):
            return True
        if worst < HELPS * progress.least:
            progress.least, progress.in_vain = worst, 0
        else:
            progress.in_vain += 1
        if progress.in_vain < max(2, PATIENCE // max(1, len(self.space))) or not self._may_end(attempt):
            return False
        progress.remarks.append(f"further cutting does not help: {attempt.why_not(self.limits)}")
        return True

    def _may_end(self, attempt: Attempt) -> bool:
        """Whether an attempt may be kept though it is not good: in time it is where the next slab begins."""
        return self.time is None or (attempt.solved.has_converged and attempt.residual <= self.limits.residual)

    def _refine(self, progress: Progress, attempt: Attempt) -> None:
        """Shorten the slab, or cut cells."""
        missing, tolerance = attempt.missing, self.limits.tolerance
        along_time = 0.0 if self.time is None else float(missing[:, self.time].max())
        across = float(missing[:, list(self.space)].max()) if self.space else 0.0
        is_satisfied = attempt.is_satisfied(self.limits)
        is_resolved = max(along_time, across) <= tolerance
        if self.time is not None and (not attempt.solved.has_converged or (is_resolved and not is_satisfied)):
            along_time = max(along_time, 10 * across, 10 * tolerance)
        progress.guess = attempt.slab if not (self._is_linear or attempt.crossed) else None
        if along_time > max(tolerance, across):
            assert self.time is not None
            cover = attempt.slab.field.cover
            length = float(cover.domain[self.time] @ [-1.0, 1.0])
            progress.shortened += 1
            progress.length = length * min(self._factor(along_time), 0.5**progress.shortened)
            if progress.length < SHORTEST_SLAB * float(np.ptp(self.problem.box[self.time])):
                self._give_up(progress, attempt)
            return
        cells = attempt.slab.field.cover
        room = self.limits.cells - cells.num_cells
        axes = too_coarse(missing, tolerance, self.space, room)
        if self._is_graded and not is_satisfied:
            axes = unsatisfied(attempt.system.shares(attempt.solved.coefficients), self.space, room)
        elif is_resolved and cells.num_cells << len(self.space) <= self.limits.cells:
            axes = dict.fromkeys(range(cells.num_cells), self.space)
        if axes:
            progress.cover, parents = cells.split(axes)
            if self._is_graded:
                progress.cover = graded(self.problem, progress.cover, np.isin(parents, list(axes)))
        else:
            progress.remarks.append(f"at most {self.limits.cells} cells: {attempt.why_not(self.limits)}")
            self._accept(progress, attempt)

    def _give_up(self, progress: Progress, attempt: Attempt) -> None:
        """Keep an attempt although shorter slabs would be needed.

        Raises
        ------
        FloatingPointError : Gauss-Newton does not converge, however short the slab, or slab after slab leaves as much unsatisfied.
        """
        place = f"{self.problem.time} = {progress.begin:.6g}"
        if not attempt.solved.has_converged:
            raise FloatingPointError(f"no slab is short enough at {place}")
        is_unmet = attempt.residual > max(self.limits.residual, HELPS * progress.left)
        progress.left, progress.unmet = attempt.residual, progress.unmet + 1 if is_unmet else 0
        if progress.unmet == UNMET:
            name, loss = attempt.worst_loss
            raise FloatingPointError(
                f"no slab is short enough at {place}, where '{name}' keeps a residual of {math.sqrt(loss):.1e}: "
                "equations and conditions contradict each other, or the solution jumps"
            )
        progress.remarks.append(f"no slab is short enough at {place}: {attempt.why_not(self.limits)}")
        self._accept(progress, attempt)

    def _factor(self, missing: float) -> float:
        """Return by what to multiply a slab's length, given what is missing along time, which falls with a power of the length."""
        power = 1.5 / self.basis.features.degree
        return min(GROW, max(SHRINK, (AIM * self.limits.tolerance / max(missing, 1e-300)) ** power))

    def _accept(self, progress: Progress, attempt: Attempt) -> None:
        """Keep an attempt, and prepare the next slab with fewer cells where fewer will do.

        After an attempt that leaves out too much, and is kept because no better one is to be had, slabs do not become shorter.
        """
        slab = attempt.slab
        progress.slabs.append(slab)
        progress.num_rows += attempt.system.num_rows
        progress.scales = np.maximum(progress.scales, sizes(slab.field, slab.coefficients))
        progress.least, progress.in_vain, progress.shortened, progress.guess = math.inf, 0, 0, None
        progress.may_cross |= bool(attempt.crossed)
        if attempt.residual <= self.limits.residual:
            progress.left, progress.unmet = math.inf, 0
        progress.residual = max(progress.residual, attempt.residual)
        if self.is_done(progress):
            self._factors.clear()
        if self.time is not None:
            begin, end = slab.field.cover.domain[self.time]
            factor = self._factor(float(attempt.missing[:, self.time].max()))
            if attempt.missing.max() > self.limits.tolerance:
                factor = max(factor, 1.0)
            if self._is_linear and 1.0 <= factor < WORTHWHILE:
                factor = 1.0
            progress.begin, progress.length = float(end), float(end - begin) * factor
            progress.cover = slab.field.cover
            if end < self.problem.box[self.time, 1]:
                scales = positive(progress.scales)
                progress.cover = merged(slab.field, slab.coefficients, scales, self.limits.tolerance, self.space)


def rounded_down(number: float) -> float:
    """Return the next lower positive number with few binary digits."""
    mantissa, exponent = math.frexp(number)
    return math.ldexp(math.floor(math.ldexp(mantissa, BINARY_DIGITS)), exponent - BINARY_DIGITS)
