"""How wrong a solution is: the judge's answers, as a progress line during the solve and as metrics.json at its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.judge.classical import Classical, classical
from pinn.judge.estimate import Estimate, Estimator
from pinn.judge.metrics import Metrics, metrics
from pinn.judge.reference import Reference, reference
from pinn.judge.second_solution import estimate_by
from pinn.judge.verdict import Verdict, verdict
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
from pinn.run.environment import peak_memory_megabytes
from pinn.run.folder import RunFolder
from pinn.run.quantities import arrays, quantities
from pinn.run.results import write_diagnostics, write_quantities, write_solution

if TYPE_CHECKING:
    from pinn.run.setup import Setup
    from pinn.solver.state import State

PROGRESS_POINTS = 2000
"""Points at which the error is known exactly while the solver works."""


class Judge:
    """What is known of the error of one run.

    Attributes
    ----------
    label : ``"error"`` where the progress line compares with the exact solution, else ``"estimate"``.
    """

    def __init__(self, setup: Setup):
        self.setup, self.problem = setup, setup.prepared.problem
        self.label = "error" if self.problem.exact else "estimate"
        self._estimator = Estimator(self.problem)
        self._exact_error = _exact_error(self.problem) if self.problem.exact else None

    def quick(self, solution: Any) -> float | None:
        """Return the largest relative L2 error of an unknown, None when it cannot be told."""
        if self._exact_error is not None:
            return self._exact_error(solution)
        found = self._estimator.quick(solution)
        return found.worst if found.accepted else None

    def conclude(self, folder: RunFolder, state: State, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Judge the solution, write its arrays and return what metrics.json holds, all but the classical line."""
        from pinn.field import compiler

        begin = time.perf_counter()
        configuration, solution = self.setup.prepared.configuration, self.setup.solution(state)
        self.truth = reference(self.problem, configuration.reference)
        found = metrics(self.problem, solution, self.truth)
        neighbours = self.setup.neighbours(state)
        estimate = self._estimator(solution) if neighbours is None else estimate_by(self.problem, solution, neighbours)
        judged = verdict(found, self.truth, estimate, configuration.accuracy)
        write_solution(folder, self.problem, found, _estimated(estimate, found) if estimate.accepted else {})
        write_diagnostics(folder, self.setup.prepared, solution, found.axes, self.setup.terms, state.points)
        wanted = quantities(self.problem, solution, self.truth, found.axes)
        write_quantities(folder, arrays(wanted))
        compiling = compiler.seconds_spent() - self.setup.compiling_before
        return {
            **self._described(state),
            "seconds": {**seconds, "judge": time.perf_counter() - begin, "compile": compiling},
            "peak_memory_mb": peak_memory_megabytes(),
            **_judged(found, self.truth, estimate, judged),
            "quantities": {quantity.name: quantity.record() for quantity in wanted},
        }

    def _described(self, state: State) -> dict[str, Any]:
        configuration, problem = self.setup.prepared.configuration, self.problem
        return {
            "problem": problem.name, "name": problem.title, "solver": configuration.solver.title,
            "steps": state.total, "evaluations": state.evaluations, "reason": state.reason,
            "loss": state.loss, "terms": dict(state.losses),
            "equations": {row.name: row.text for row in problem.equations},
            "conditions": {row.name: row.text for row in problem.conditions},
            **self.setup.description(state),
        }  # fmt: skip

    def compare_with_classical(self, found: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return the classical line against a solution with the error in ``found`` that took so many seconds."""
        wanted = self.setup.prepared.configuration.report.classical
        if wanted is None or not wanted.seconds:
            return Classical((), why="not asked for").record()
        error = found["error"]["relative_l2"]
        error = float("nan") if error is None else error
        return classical(self.problem, self.truth, error, seconds, limit=wanted.seconds).record()


def _estimated(estimate: Estimate, found: Metrics) -> dict[str, np.ndarray]:
    """Return the estimated error on the evaluation grid, not a number outside the domain."""
    fields = estimate.on_grid(found.axes)
    return {name: np.where(np.isfinite(found.solution[name]), values, np.nan) for name, values in fields.items()}


def _judged(found: Metrics, truth: Reference, estimate: Estimate, judged: Verdict) -> dict[str, Any]:
    known = judged.source != "none"
    return {
        "unknowns": found.record(),
        "error": {
            "relative_l2": judged.error if known else None,
            "source": judged.source,
            "at_most": judged.bound if math.isfinite(judged.bound) else None,
        },
        "reference": truth.record(),
        "estimate": estimate.record(),
        "verdict": judged.verdict,
        "verdict_reasons": list(judged.reasons),
        "missed": judged.missed,
    }


def _exact_error(problem: Problem) -> Callable[[Any], float]:
    """Return the function from a solution to its largest relative L2 error against the exact one, at scattered points."""
    from pinn.problem.randomness import generator

    low, high = problem.box.T
    points = low + (high - low) * generator(0, "progress").random((PROGRESS_POINTS, problem.dim))
    points = points[problem.inside(points)]
    request = tuple((name, ((0,) * problem.dim,)) for name in problem.unknown_names)
    lives = np.stack([problem.lives(name, points) for name in problem.unknown_names], axis=1)
    with np.errstate(all="ignore"):
        exact = np.where(lives, problem.exact_values(request, points), 0.0)
    kept = np.isfinite(exact).all(axis=1)
    points, exact, lives = points[kept], exact[kept], lives[kept]
    size = np.linalg.norm(exact, axis=0)

    def error(solution: Any) -> float:
        return float(np.max(np.linalg.norm(lives * solution(points, request) - exact, axis=0) / np.where(size > 0, size, 1.0)))

    if not len(points):
        raise BadInput("the exact solution is finite nowhere", "problem.exact")
    return error
