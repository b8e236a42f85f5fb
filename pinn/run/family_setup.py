"""What a run works on whose family of problems is solved in cells, at one value of the parameters after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
from pinn.run.cell_setup import MORE_DEGREES, CellSetup, Judging, cell_setup
from pinn.run.configuration import InCells
from pinn.run.prepare import Prepared
from pinn.solver.cell_least_squares import OF_FAMILIES, PART

if TYPE_CHECKING:
    from pinn.field.cells.family import Family
    from pinn.field.cells.slabs import Slabs
    from pinn.solver.cells.families import Collocation
    from pinn.solver.ranks import Ranks
    from pinn.solver.state import State

MORE_EXACTLY, FINEST = 0.01, 1e-13
"""What part of the tolerance, and at least which one, the members have that are solved for comparison."""


@dataclass(frozen=True)
class FamilySetup:
    """A family to be solved for in cells.

    Attributes
    ----------
    plain : makes the setup of one of its members.
    decisions : those of every member. seconds : that the solve may take.
    """

    prepared: Prepared
    family: Collocation
    plain: Callable[[Problem], CellSetup]
    decisions: Mapping[str, Any]
    seconds: float | None = None
    compiling_before: float = 0.0
    device: str = "cpu"

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms, in the order of the history's columns."""
        return tuple(row.name for row in self.prepared.problem.residuals if row.kind != "periodic")

    def first_state(self) -> State:
        """Return where the solve begins."""
        from pinn.solver.cells import families

        state = families.first_state()
        state.decisions = dict(self.decisions)
        return state

    def states(self, state: State, judge: Judging | None) -> Iterator[State]:
        """Go on from ``state`` and yield it after each round."""
        from pinn.solver.cells import families

        return families.solve(self.family, state, self.seconds)

    def steps_of(self, stage: str) -> int:
        """Return 0: nobody knows how many rounds it takes."""
        return 0

    def solution(self, state: State) -> Family:
        """Return the family that a state holds."""
        from pinn.solver.cells import families

        return families.solution(self.family, state)

    def error_of(self, error: Callable[[Any], float | None]) -> None:
        """Return None: before the end the solution is not there at all times."""

    def neighbours(self, state: State) -> None:
        """Return None: members are judged one by one."""

    def intervals(self, state: State) -> None:
        """Return None: there are no unknown numbers."""

    def directly(self, problem: Problem) -> Slabs | str:
        """Return the solution of a member by itself, more accurate than those of the family; or why there is none."""
        march = self.plain(problem).other(MORE_DEGREES)
        march.limits = replace(march.limits, tolerance=max(MORE_EXACTLY * march.limits.tolerance, FINEST))
        progress = march.begin()
        try:
            while not march.is_done(progress):
                march.advance(progress)
        except (FloatingPointError, MemoryError) as error:
            return str(error) or type(error).__name__
        return "; ".join(progress.remarks) or march.solution(progress)

    def remarks(self) -> list[str]:
        """Return what a person should know of the setup before it is solved: nothing."""
        return []

    def description(self, state: State) -> dict[str, Any]:
        """Return what metrics.json says about the solve beyond what its state does."""
        from pinn.solver.cells import families

        return families.description(self.family, state)


def family_setup(
    settings: InCells, prepared: Prepared, decisions: Mapping[str, Any] | None = None, ranks: Ranks | None = None
) -> FamilySetup:
    """Return the setup of a family in cells.

    Raises
    ------
    BadInput : its members have different domains.
    """
    from pinn.problem.families import middle
    from pinn.solver.cells.families import Collocation

    configuration, problem = prepared
    if problem.domain_varies:
        raise BadInput("least squares join solutions on one domain, and this one depends on a parameter; train a network", "solver")
    accuracy = configuration.accuracy or OF_FAMILIES
    prepared = prepared._replace(configuration=replace(configuration, accuracy=accuracy))
    made = dict(cell_setup(settings, prepared._replace(problem=middle(problem)), decisions, ranks).decisions)

    def plain(member: Problem) -> CellSetup:
        return cell_setup(settings, prepared._replace(problem=member), made, ranks)

    family = Collocation(problem, lambda member: plain(member).march, PART * accuracy, settings.solver.most_values)
    return FamilySetup(prepared, family, plain, made, settings.solver.seconds)
