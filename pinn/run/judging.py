"""How wrong a solution is: the judge's answers, as a progress line during the solve and as metrics.json at its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.judge.choose import reference, second_reference
from pinn.judge.classical import Classical, classical
from pinn.judge.estimate import Estimate, Estimator
from pinn.judge.metrics import Metrics, metrics
from pinn.judge.reference import Reference, no_reference
from pinn.judge.second_solution import estimate_by
from pinn.judge.verdict import Judged, Verdict, verdict
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
from pinn.run.environment import peak_memory_megabytes
from pinn.run.folder import RunFolder
from pinn.run.inverse import judged_problem, misfits, numbers, unmatched
from pinn.run.quantities import arrays, quantities
from pinn.run.results import write_diagnostics, write_quantities, write_solution

if TYPE_CHECKING:
    from pinn.judge.intervals import Intervals
    from pinn.run.setup import Setup
    from pinn.solver.state import State

AT_THESE_NUMBERS = "that is the error of the functions at the numbers that were found; their own are the standard errors"
"""What is said where the exact numbers are not known."""

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
        self._estimator = None if self.problem.is_inverse else Estimator(self.problem)
        self._exact_error = exact_error(self.problem) if self.problem.exact else None

    def quick(self, solution: Any) -> float | None:
        """Return the largest relative L2 error of an unknown, None when it cannot be told."""
        if self._exact_error is not None:
            return self._exact_error(solution)
        if self._estimator is None:
            return None
        found = self._estimator.quick(solution)
        return found.worst if found.accepted else None

    def conclude(self, folder: RunFolder, state: State, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Judge the solution, write its arrays and return what metrics.json holds, all but the classical line."""
        from pinn.field import compiler

        begin = time.perf_counter()
        configuration, solution = self.setup.prepared.configuration, self.setup.solution(state)
        self.judged = judged_problem(self.problem, solution)
        self.truth = self._truth()
        found = metrics(self.judged, solution, self.truth)
        second = self._second(solution, found)
        estimate = self._estimate(solution, state)
        judged = verdict(found, self.truth, estimate, configuration.accuracy, second)
        observed = misfits(self.problem, solution)
        known = self.setup.intervals(state)
        doubts = [*unmatched(self.problem, observed), *([known.undetermined] if known and known.undetermined else [])]
        if self.judged is not self.problem:
            judged = replace(judged, reasons=(*judged.reasons, AT_THESE_NUMBERS))
        if doubts:
            judged = replace(judged, verdict="not verified", reasons=(*doubts, *judged.reasons))
        standard_errors = getattr(self.setup, "standard_errors", None)
        spread = None if standard_errors is None else standard_errors(state, found.axes)
        write_solution(folder, self.problem, found, _estimated(estimate, found) if estimate.accepted else {}, spread)
        write_diagnostics(folder, self.setup.prepared, solution, found.axes, self.setup.terms, state.points)
        wanted = quantities(self.judged, solution, self.computed, found.axes)
        write_quantities(folder, arrays(wanted))
        compiling = compiler.seconds_spent() - self.setup.compiling_before
        return {
            **described(self.setup, state),
            "seconds": {**seconds, "judge": time.perf_counter() - begin, "compile": compiling},
            "peak_memory_mb": peak_memory_megabytes(),
            **judgement(found, self.truth, estimate, judged, numbers(self.problem, solution, known)),
            **({} if second is None else {"second_reference": second[1].record(), "second_unknowns": second[0].record()}),
            "observations": observed,
            **self._told(state, known),
            "quantities": {quantity.name: quantity.record() for quantity in wanted},
        }

    def _truth(self) -> Reference:
        """Return the reference; none where equations and conditions alone do not determine the solution."""
        if self.judged.is_inverse and not (self.judged.exact or self.judged.given):
            return no_reference("equations and conditions alone do not determine what is sought")
        return reference(self.judged, self.setup.prepared.configuration.reference)

    def _second(self, solution: Any, found: Metrics) -> Judged | None:
        """Return what else there is to compare with besides a file."""
        truth = None if self.judged.is_inverse else second_reference(self.judged, self.setup.prepared.configuration.reference)
        self.computed = truth or self.truth
        return None if truth is None else (metrics(self.judged, solution, truth, found.axes), truth)

    def _estimate(self, solution: Any, state: State) -> Estimate:
        if self.problem.is_inverse:
            if self.judged is self.problem:
                return Estimate(False, "equations and conditions alone do not determine what is sought")
            neighbours = self.setup.neighbours(state)
            if neighbours is None:
                return Estimator(self.judged)(solution)
            return estimate_by(self.judged, solution.slabs, neighbours)
        assert self._estimator is not None
        neighbours = self.setup.neighbours(state)
        return self._estimator(solution) if neighbours is None else estimate_by(self.problem, solution, neighbours)

    def _told(self, state: State, known: Intervals | None) -> dict[str, Any]:
        """Return what else is known of unknown numbers: how they hang together, and how the misfit grows around them."""
        if known is None:
            return {}
        profiles = getattr(self.setup, "profiles", None)
        correlation = [[value if math.isfinite(value) else None for value in row] for row in known.correlation.tolist()]
        return {"correlation": correlation, "profiles": {} if profiles is None else profiles(state, known)}

    def compare_with_classical(self, found: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return the classical line against a solution with the error in ``found`` that took so many seconds."""
        wanted = self.setup.prepared.configuration.report.classical
        if wanted is None or not wanted.seconds:
            return Classical((), why="not asked for").record()
        error = found["error"]["relative_l2"]
        error = float("nan") if error is None else error
        if self.problem.is_inverse:
            return Classical((), why="for problems in which all unknowns follow from equations and conditions").record()
        return classical(self.problem, self.computed, error, seconds, limit=wanted.seconds).record()


def _estimated(estimate: Estimate, found: Metrics) -> dict[str, np.ndarray]:
    """Return the estimated error on the evaluation grid, not a number outside the domain."""
    fields = estimate.on_grid(found.axes)
    return {name: np.where(np.isfinite(found.solution[name]), values, np.nan) for name, values in fields.items()}


def described(setup: Setup, state: State) -> dict[str, Any]:
    """Return what metrics.json says of the problem and of the solve."""
    configuration, problem = setup.prepared
    return {
        "problem": problem.name, "name": problem.title, "solver": configuration.solver.title,
        "steps": state.total, "evaluations": state.evaluations, "reason": state.reason,
        "loss": state.loss, "terms": dict(state.losses),
        "equations": {row.name: row.text for row in problem.equations},
        "conditions": {row.name: row.text for row in problem.conditions},
        "data": {row.name: row.text for row in problem.data},
        **setup.description(state),
    }  # fmt: skip


def judgement(found: Metrics, truth: Reference, estimate: Estimate, judged: Verdict, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what metrics.json says of the error; ``values`` are those of unknown numbers."""
    known = judged.source != "none"
    return {
        "unknowns": found.record() | dict(values),
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


def exact_error(problem: Problem) -> Callable[[Any], float]:
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
