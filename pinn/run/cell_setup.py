"""What a run works on whose field is solved for in cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pinn.run.cell_size import most_cells
from pinn.run.configuration import InCells, weight_of
from pinn.run.prepare import Prepared

if TYPE_CHECKING:
    from pinn.field.cells.slabs import Slabs
    from pinn.field.network.local_features import LocalFeatures
    from pinn.judge.second_solution import Neighbours
    from pinn.solver.cells.march import March
    from pinn.solver.ranks import Ranks
    from pinn.solver.state import State

MORE_DEGREES = 2
"""By how much the degrees of two solutions for comparison, in the same cells, are higher and lower."""

Judging = Callable[[Any], float | None]
"""The error of θ (params,), None when it is withheld."""


@dataclass(frozen=True)
class CellSetup:
    """A field in cells to be solved for.

    Attributes
    ----------
    other : makes a march whose features have a degree that is higher by a number.
    room : cells with more features that this machine's memory has room for at once.
    decisions : ``most_cells``, how many cells this machine's memory has room for. seconds : that the solve may take.
    ranks : the processes that the cells are divided among.
    """

    prepared: Prepared
    march: March
    other: Callable[[int], March]
    room: int
    decisions: Mapping[str, Any]
    seconds: float | None = None
    ranks: Ranks | None = None
    compiling_before: float = 0.0
    device: str = "cpu"

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms, in the order of the history's columns."""
        return tuple(row.name for row in self.march.rows)

    def first_state(self) -> State:
        """Return where the solve begins."""
        from pinn.solver.cells import rounds

        state = rounds.first_state(self.march)
        state.decisions = dict(self.decisions)
        return state

    def states(self, state: State, judge: Judging | None) -> Iterator[State]:
        """Go on from ``state`` and yield it after each round."""
        from pinn.solver.cells import rounds

        return rounds.solve(self.march, state, self.seconds)

    def steps_of(self, stage: str) -> int:
        """Return 0: nobody knows how many rounds it takes."""
        return 0

    def solution(self, state: State) -> Slabs:
        """Return the field that a state holds."""
        from pinn.solver.cells import rounds

        return rounds.solution(self.march, state)

    def error_of(self, error: Callable[[Any], float | None]) -> None:
        """Return None: before the end the solution is not there at all times."""

    def neighbours(self, state: State) -> Callable[[], Neighbours | str]:
        """Return how to solve with more and with fewer features on the same covers."""
        return lambda: self._neighbours(state)

    def _neighbours(self, state: State) -> Neighbours | str:
        from pinn.judge.second_solution import Neighbours
        from pinn.solver.cells import rounds

        at_once = rounds.description(self.march, state)["cells"]["at_once"]
        if at_once > self.room:
            return f"more features in {at_once} cells at once need more memory than there is"
        residual = rounds.unsatisfied(self.march, state)
        if residual is not None:
            return f"the equations are not satisfied, their residual is {residual:.1e} of the solution"
        try:
            better, losses = rounds.repeated(self.march, self.other(MORE_DEGREES), state)
            worse, _ = rounds.repeated(self.march, self.other(-MORE_DEGREES), state)
            return Neighbours(better, losses, worse)
        except (FloatingPointError, MemoryError) as error:
            return str(error) or type(error).__name__

    def intervals(self, state: State) -> None:
        """Return None: there are no unknown numbers."""

    def remarks(self) -> list[str]:
        """Return what a person should know of the setup before it is solved: nothing."""
        return []

    def description(self, state: State) -> dict[str, Any]:
        """Return what metrics.json says about the solve beyond what its state does."""
        from pinn.solver.cells import rounds

        processes = {} if self.ranks is None else {"processes": self.ranks.description()}
        return rounds.description(self.march, state) | processes


def cell_setup(
    settings: InCells, prepared: Prepared, decisions: Mapping[str, Any] | None = None, ranks: Ranks | None = None
) -> CellSetup:
    """Return the setup of a field in cells; their number is limited by half of the machine's memory."""
    from pinn.solver.cells.attempt import Limits
    from pinn.solver.cells.march import March
    from pinn.solver.cells.system import System

    configuration, problem = prepared
    solver, network = settings
    made = dict(decisions or {"most_cells": most_cells(settings, problem)})
    limits = Limits(solver.tolerance_for(problem, configuration.accuracy), made["most_cells"], solver.steps)
    weights = {row.name: weight_of(configuration, row) for row in problem.residuals}

    system: Callable[..., Any] = System
    if ranks is not None:
        from pinn.solver.cells.shared import WORDS_ALONE, SharedSystem

        ranks.like, system = WORDS_ALONE, partial(SharedSystem, ranks)

    def march(network: LocalFeatures) -> March:
        return March(problem, network.basis(problem, configuration.seed), limits, solver.cells, weights, system)

    def changed(change: int) -> LocalFeatures:
        return replace(network, degree=max(2, network.degree_for(problem) + change))

    room = most_cells(InCells(solver, changed(MORE_DEGREES)), problem)
    return CellSetup(prepared, march(network), lambda change: march(changed(change)), room, made, solver.seconds, ranks)
