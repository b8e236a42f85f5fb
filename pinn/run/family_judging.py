"""How wrong the solution of a family of problems is: its members are judged, and what it says of its parameters is written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.judge.classical import Classical
from pinn.judge.estimate import SURELY_ROUNDING, Estimate, Estimator
from pinn.judge.families import estimates_on_grid, judged, together
from pinn.judge.second_solution import Difference
from pinn.judge.statistics import dependence, fields, has_distribution, plain_axes, sensitivity, statistics
from pinn.problem.families import Member, middle
from pinn.problem.problem import Problem, Request
from pinn.run import atomic
from pinn.run.environment import peak_memory_megabytes
from pinn.run.family_setup import FamilySetup
from pinn.run.folder import RunFolder
from pinn.run.judging import described, exact_error, judgement
from pinn.run.quantities import arrays, quantities
from pinn.run.results import write_diagnostics, write_quantities, write_solution

if TYPE_CHECKING:
    from pinn.run.setup import Setup
    from pinn.solver.state import State

NUM_ALONG = 33
"""Values of a single parameter at which quantities are computed beside those that are judged."""

POINTS = 5000
"""Random points at which a member is compared with a solution of its own."""


class FamilyJudge:
    """What is known of the error of a run of a family; attributes as those of `pinn.run.judging.Judge`."""

    def __init__(self, setup: Setup):
        self.setup, self.problem = setup, setup.prepared.problem
        self.label = "error" if self.problem.exact else "estimate in the middle"
        self.quick = exact_error(self.problem) if self.problem.exact else _in_the_middle(self.problem)
        self._alone: list[tuple[np.ndarray, Callable[..., np.ndarray]]] = []

    def conclude(self, folder: RunFolder, state: State, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Judge the solution, write its arrays and return what metrics.json holds, all but the classical line."""
        from pinn.field import compiler

        begin = time.perf_counter()
        configuration, solution, problem = self.setup.prepared.configuration, self.setup.solution(state), self.problem
        rows = judged(problem, solution, configuration.reference, self._estimate, configuration.accuracy)
        whole = together(problem, rows)
        axes = whole.found.axes
        write_solution(folder, problem, whole.found, estimates_on_grid(problem, rows))
        write_diagnostics(folder, self.setup.prepared, solution, axes, self.setup.terms, state.points)
        alone = None if problem.exact or not self._alone else self._at_judged
        wanted = quantities(problem, solution, whole.truth, self._along(axes), alone)
        write_quantities(folder, arrays(wanted))
        atomic.write_npz(folder / "parameters.npz", self._of_parameters(solution))
        compiling = compiler.seconds_spent() - self.setup.compiling_before
        found = statistics(problem, solution) if has_distribution(problem) else {}
        return {
            **described(self.setup, state),
            "seconds": {**seconds, "judge": time.perf_counter() - begin, "compile": compiling},
            "peak_memory_mb": peak_memory_megabytes(),
            **judgement(whole.found, whole.truth, whole.estimate, whole.verdict, {}),
            "parameters": {
                "values": [row.record() for row in rows],
                "worst": None if whole.worst is None else whole.worst.record(),
            },
            "statistics": found,
            "quantities": {quantity.name: quantity.record() for quantity in wanted},
        }

    def compare_with_classical(self, found: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return why there is no classical line."""
        return Classical((), why="a classical solver has no answer for all values of the parameters at once").record()

    def _along(self, axes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """Return axes with more values of a single parameter beside those that are judged."""
        if len(self.problem.parameters) != 1:
            return axes
        low, high = self.problem.parameters[0].ends
        return (*axes[:-1], np.unique(np.concatenate([axes[-1], np.linspace(low, high, NUM_ALONG)])))

    def _estimate(self, plain: Problem, solution: Member) -> Estimate:
        """Return the estimated error of a member: by a solution of its own where single values were solved for."""
        if not isinstance(self.setup, FamilySetup):
            return Estimator(plain)(solution)
        begin = time.perf_counter()
        own = self.setup.directly(plain)
        if isinstance(own, str):
            return Estimate(False, f"it cannot be solved alone with more features: {own}", seconds=time.perf_counter() - begin)
        low, high = plain.box.T
        points = low + (high - low) * np.random.default_rng(0).random((POINTS, plain.dim))
        points = points[plain.inside(points)]
        better = own(points)
        size = np.where(np.any(better, axis=0), np.linalg.norm(better, axis=0), 1.0)
        apart = np.linalg.norm(solution(points) - better, axis=0) / size
        self._alone.append((solution.columns, own))
        relative = dict(zip(plain.unknown_names, np.maximum(apart, SURELY_ROUNDING).tolist(), strict=True))
        errors = {name: Difference(solution, own, number, 1.0) for number, name in enumerate(plain.unknown_names)}
        return Estimate(True, "", relative, 0, time.perf_counter() - begin, errors)

    def _at_judged(self, points: np.ndarray, request: Request) -> np.ndarray:
        """Return derivatives of members that were solved alone (points, len(request)); not a number at other values."""
        cut, found = self.problem.num_plain, np.full((len(points), len(request)), np.nan)
        wanted = [k for k, (_, operator) in enumerate(request) if not any(any(index[cut:]) for index in operator)]
        plain = tuple((request[k][0], tuple(index[:cut] for index in request[k][1])) for k in wanted)
        for columns, solution in self._alone:
            here = np.flatnonzero(np.all(np.isclose(points[:, cut:], columns, rtol=1e-12, atol=1e-12), axis=1))
            if len(here) and wanted:
                found[here[:, None], wanted] = solution(points[here, :cut], plain)
        return found

    def _of_parameters(self, solution: Any) -> dict[str, np.ndarray]:
        """Return what parameters.npz holds: how things depend on the parameters, and statistics of the solution."""
        problem, axes = self.problem, plain_axes(self.problem)
        grid = {} if axes is None else dict(zip(problem.names[: problem.num_plain], axes, strict=True))
        found = {f"dependence.{name}": values for name, values in dependence(problem, solution).items()}
        found |= {f"sensitivity.{name}": values for name, values in sensitivity(problem, solution).items()}
        if has_distribution(problem):
            found |= {f"statistics.{name}": values for name, values in fields(problem, solution).items()}
        return {**{f"grid.{name}": axis for name, axis in grid.items()}, **found}


def _in_the_middle(problem: Problem) -> Callable[[Any], float | None]:
    """Return the function from a solution to its estimated error in the middle of the parameters, None where it is withheld."""
    columns, estimator = np.array([sum(parameter.ends) / 2 for parameter in problem.parameters]), Estimator(middle(problem))

    def estimated(solution: Any) -> float | None:
        found = estimator.quick(Member(problem, solution, columns))
        return found.worst if found.accepted else None

    return estimated
