"""What a run works on that seeks numbers: all functions follow from them, and are solved for in cells at every trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.checks import undetermined
from pinn.problem.problem import Request
from pinn.problem.settings import BadInput
from pinn.problem.terms import make_term
from pinn.run.cell_setup import CellSetup, Judging, cell_setup
from pinn.run.cell_size import most_cells
from pinn.run.configuration import InCells, weight_of
from pinn.run.prepare import Prepared

if TYPE_CHECKING:
    from pinn.field.cells.slabs import Slabs
    from pinn.judge.intervals import Intervals
    from pinn.judge.second_solution import Neighbours
    from pinn.solver.fit import Search
    from pinn.solver.state import State

STAGE = "numbers"
TOLERANCE = 1e-8
"""Of solutions at trial numbers, unless another one is asked for: observations are seldom known to more digits."""

STEPS = 50
"""Of the search for the numbers at most."""

MEMORY = ("damping", "radius", "first")
"""What a search remembers beside the numbers."""

PROFILE = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard errors by which numbers are moved."""


class Found:
    """A solution together with the numbers that belong to it; NumPy float64 in and out.

    Attributes
    ----------
    numbers : values of the unknown numbers by name. slabs : the functions.
    """

    def __init__(self, slabs: Slabs, numbers: Mapping[str, float], values: Request):
        self.slabs, self.numbers, self._values = slabs, dict(numbers), values
        self.cuts, self.boxes = slabs.cuts, slabs.boxes
        self.windows = slabs.windows

    def __call__(self, points: np.ndarray, request: Request | None = None, side: np.ndarray | None = None) -> np.ndarray:
        """Return derivatives of functions, and numbers, (points, len(request)); None asks for the values of all unknowns."""
        request = self._values if request is None else tuple(request)
        out = np.zeros((len(points), len(request)))
        columns = [column for column, (name, _) in enumerate(request) if name not in self.numbers]
        if columns:
            out[:, columns] = self.slabs(points, tuple(request[column] for column in columns), side)
        for column, (name, operator) in enumerate(request):
            if name in self.numbers:
                out[:, column] = self.numbers[name] * sum(not any(index) for index in operator)
        return out


@dataclass
class NumberSetup:
    """Unknown numbers to be found from observations.

    Attributes
    ----------
    settings : of the cells. decisions : as `pinn.run.cell_setup.CellSetup` has them.
    """

    prepared: Prepared
    settings: InCells
    decisions: Mapping[str, Any]
    compiling_before: float = 0.0
    device: str = "cpu"
    _kept: dict[bytes, tuple[CellSetup, State]] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms, in the order of the history's columns."""
        return tuple(row.name for row in self.prepared.problem.data)

    @property
    def unknowns(self) -> list[Any]:
        """The unknown numbers."""
        return [unknown for unknown in self.prepared.problem.unknowns if unknown.is_number]

    def values(self, parameters: np.ndarray) -> dict[str, float]:
        """Return the numbers by name."""
        with np.errstate(over="ignore"):
            pairs = zip(self.unknowns, parameters.tolist(), strict=True)
            return {unknown.name: float(unknown.value(each, np.exp)) for unknown, each in pairs}

    def forward(self, parameters: np.ndarray) -> tuple[CellSetup, State]:
        """Return the solved problem at some numbers; the last few are kept.

        Raises
        ------
        FloatingPointError : it has no solution there.
        """
        from pinn.solver.staged import Diverged

        key = parameters.tobytes()
        if key not in self._kept:
            values = self.values(parameters)
            if not all(map(np.isfinite, values.values())):
                raise FloatingPointError("a number is not finite")
            known = self.prepared._replace(problem=self.prepared.problem.with_numbers(values))
            setup = cell_setup(self.settings, known, self.decisions)
            try:
                *_, state = setup.states(setup.first_state(), None)
            except Diverged as problem:
                raise FloatingPointError(str(problem)) from None
            while len(self._kept) >= 3:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = setup, state
        return self._kept[key]

    def found(self, parameters: np.ndarray) -> Found:
        """Return functions and numbers."""
        setup, state = self.forward(parameters)
        return Found(setup.solution(state), self.values(parameters), self.prepared.problem.values)

    def misfit(self, parameters: np.ndarray) -> np.ndarray:
        """Return all misfits (rows,), each over its noise where all noise is stated, else over the size of the measured values."""
        solution, configuration = self.found(parameters), self.prepared.configuration
        rows = []
        for observation in self.prepared.problem.data:
            term = make_term(self.prepared.problem, observation, observation.sites)
            jets = [solution(image.sites.points, image.request, image.sites.side) for image in term.images]
            values = np.broadcast_to(np.asarray(term.evaluate(jets), float), term.num_rows)
            factor = observation.size / observation.noise if self.is_stated and observation.noise else 1.0
            rows.append(factor * weight_of(configuration, observation) ** 0.5 * values)
        return np.concatenate(rows)

    @property
    def is_stated(self) -> bool:
        """Whether the noise of all observations is stated."""
        return all(observation.noise for observation in self.prepared.problem.data)

    def first_state(self) -> State:
        """Return where the search begins."""
        import torch

        from pinn.solver.state import State

        state = State(STAGE, torch.zeros(len(self.unknowns), dtype=torch.float64))
        state.decisions = dict(self.decisions)
        return state

    def states(self, state: State, judge: Judging | None) -> Iterator[State]:
        """Go on from ``state`` and yield it after each step of the search; it is the same object each time.

        Raises
        ------
        Diverged : there is no solution at the numbers where the search begins.
        """
        import torch

        from pinn.solver import fit
        from pinn.solver.cells.rounds import diverged
        from pinn.solver.staged import Clock

        clock = Clock(state.seconds)
        try:
            here = fit.begin(self.misfit, state.theta.numpy().copy())
        except FloatingPointError as error:
            raise diverged(error, state) from None
        if state.memory:
            here.damping, here.radius, here.first = (state.memory[name] for name in MEMORY)
        for _ in fit.search(self.misfit, here, STEPS - state.step):
            state.step += 1
            state.total += 1
            state.theta = torch.from_numpy(here.parameters.copy())
            state.memory = {name: getattr(here, name) for name in MEMORY}
            state.evaluations, state.reason, state.is_final = here.solves, here.reason, bool(here.reason)
            state.loss, state.losses = self._losses(here)
            if state.is_final:
                self._refuse_unmatched(state)
            state.seconds = clock.read()
            yield state

    def _refuse_unmatched(self, state: State) -> None:
        """Raise `Diverged` where the observations are not matched and a network may still be trained instead."""
        from pinn.run.inverse import misfits, unmatched
        from pinn.solver.cells.rounds import diverged

        problem = self.prepared.problem
        lines = unmatched(problem, misfits(problem, self.solution(state)))
        if lines and self.prepared.configuration.chosen:
            raise diverged(FloatingPointError(f"the search for the numbers ended where {lines[0]}"), state)

    def _losses(self, here: Search) -> tuple[float, dict[str, float]]:
        ends = np.cumsum([0, *(len(each.values) for each in self.prepared.problem.data)])
        parts = [here.misfit[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
        losses = {name: float(np.mean(np.square(part))) for name, part in zip(self.terms, parts, strict=True)}
        return sum(losses.values()), losses

    def steps_of(self, stage: str) -> int:
        """Return how many steps the search has at most."""
        return STEPS

    def solution(self, state: State) -> Found:
        """Return what a state holds."""
        return self.found(state.theta.numpy())

    def error_of(self, error: Callable[[Any], float | None]) -> None:
        """Return None: the steps are few."""

    def neighbours(self, state: State) -> Callable[[], Neighbours | str]:
        """Return how to solve with more and with fewer features on the same covers, at the numbers that were found."""
        setup, solved = self.forward(state.theta.numpy())
        return setup.neighbours(solved)

    def intervals(self, state: State) -> Intervals:
        """Return how well the numbers are known."""
        from pinn.judge.intervals import intervals
        from pinn.solver.fit import slopes

        parameters = state.theta.numpy()
        return intervals(self.unknowns, parameters, self.misfit(parameters), slopes(self.misfit, parameters), self.is_stated)

    def profiles(self, state: State, known: Intervals) -> dict[str, dict[str, list[float]]]:
        """Return by how much χ² grows when a number is moved and the others follow to first order, by name.

        At `PROFILE` standard errors of its parameter; values of the number and the increase there.
        """
        parameters, found = state.theta.numpy(), {}
        least, noise = float(np.sum(np.square(self.misfit(parameters)))), 1.0 if known.is_stated else known.noise**2
        for number, unknown in enumerate(self.unknowns):
            column = known.covariance[:, number]
            if not np.isfinite(column).all() or not np.isfinite(known.of[unknown.name].standard_error) or not noise:
                continue
            along = column / np.sqrt(column[number]) * (1.0 if known.is_stated else known.noise)
            values, increase = [], []
            for step in PROFILE:
                there = parameters + step * along
                try:
                    misfit = self.misfit(there)
                except FloatingPointError:
                    continue
                values.append(self.values(there)[unknown.name])
                increase.append((float(misfit @ misfit) - least) / noise)
            found[unknown.name] = {"values": values, "increase": increase}
        return found

    def remarks(self) -> list[str]:
        """Return what a person should know of the setup before it is solved: nothing."""
        return []

    def description(self, state: State) -> dict[str, Any]:
        """Return what metrics.json says about the solve beyond what its state does."""
        setup, solved = self.forward(state.theta.numpy())
        return setup.description(solved)


def number_setup(
    settings: InCells, prepared: Prepared, decisions: Mapping[str, Any] | None = None, ranks: Any = None
) -> NumberSetup:
    """Return the setup of a search for numbers.

    Raises
    ------
    BadInput : functions are sought that equations and conditions do not determine, there are no observations, or several processes.
    """
    problem = prepared.problem
    why = undetermined(problem)
    if why:
        raise BadInput(f"least squares in cells find unknown numbers only where all else follows from them: {why}", "solver")
    if ranks is not None:
        raise BadInput("must be 1 where numbers are sought in cells", "launch.processes")
    if decisions is None:
        start = {unknown.name: unknown.start for unknown in problem.unknowns if unknown.is_number}
        decisions = {"most_cells": most_cells(settings, problem.with_numbers(start))}
    tolerance = max(TOLERANCE, settings.solver.tolerance_for(problem, prepared.configuration.accuracy))
    chosen = settings.solver if settings.solver.tolerance is not None else replace(settings.solver, tolerance=tolerance)
    return NumberSetup(prepared, settings._replace(solver=chosen), dict(decisions))
